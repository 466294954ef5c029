/**
 * Servers and client agents of one datacenter, each on a host of its own, as an operator starts them.
 */

import { join } from 'node:path'
import { eventually } from '../../e2e/harness/program.ts'
import { HostProcess } from './host-process.ts'
import type { TestNetwork } from './test-network.ts'
import { TestServers } from './test-servers.ts'

const READY_MAX_MS = 120_000

export class TestFleet implements AsyncDisposable {
  readonly network: TestNetwork
  readonly servers: TestServers
  readonly clients: readonly HostProcess[]

  /** @param servers the first so many hosts of the network; the others are clients. @param flags for all of them */
  constructor(
    network: TestNetwork,
    {
      servers,
      folder,
      flags,
    }: { readonly servers: number; readonly folder: string; readonly flags: readonly string[] },
  ) {
    this.network = network
    const hosts = network.hosts.slice(0, servers)
    this.servers = new TestServers({ hosts, folder, flags })
    const joins = hosts.flatMap(({ address }) => ['-retry-join', address])
    const all = [...joins, '-hcl', 'retry_interval = "1s"', ...flags]
    this.clients = network.hosts.slice(servers).map((host) => {
      const dataDir = (): string => join(folder, `${host.name}-data`)
      return new HostProcess({ host, folder, dataDir, flags: all })
    })
  }

  get agents(): readonly HostProcess[] {
    return [...this.servers.all, ...this.clients]
  }

  async startAll(): Promise<void> {
    // Fifteen processes that start at once on two cores would be late for their own reason.
    await this.servers.startAll()
    await Promise.all(this.clients.map((client) => client.start()))
    for (const agent of this.agents) {
      await eventually(
        `${agent.host.name} answers through a server`,
        async () => (await agent.ask('/v1/catalog/nodes')) !== undefined,
        READY_MAX_MS,
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.kill()))
  }
}
