/**
 * Servers of the program under test, one on each host, with data directories that outlive them.
 */

import { join } from 'node:path'
import { eventually } from '../../e2e/harness/program.ts'
import { HostProcess } from './host-process.ts'
import type { TestHost } from './test-network.ts'

const READY_MAX_MS = 60_000

export interface ServersOptions {
  readonly hosts: readonly TestHost[]
  /** Logs, and data directories unless `dataDir` says otherwise. */
  readonly folder: string
  readonly dataDir?: (host: TestHost) => string
  /** What runs the server, for instance faketime with its settings. */
  readonly wrapper?: (host: TestHost) => readonly string[]
  readonly env?: (host: TestHost) => Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly raftMultiplier?: number
}

export class TestServers implements AsyncDisposable {
  readonly all: readonly HostProcess[]

  constructor(options: ServersOptions) {
    this.all = options.hosts.map((host) => serverOn(host, options))
  }

  async startAll(): Promise<void> {
    await Promise.all(this.all.map((server) => server.start()))
    await this.leader()
  }

  /** Waits until a server leads and answers a write of its own. */
  async leader(timeoutMs = READY_MAX_MS): Promise<HostProcess> {
    return await eventually(
      'a server leads',
      async () => {
        for (const server of this.all) {
          if (server.isRunning && (await server.isLeader())) return server
        }
        return undefined
      },
      timeoutMs,
    )
  }

  /** Waits until every server answers a consistent read: all are back. */
  async allServe(timeoutMs = READY_MAX_MS): Promise<void> {
    for (const server of this.all) {
      await eventually(
        `${server.host.name} serves`,
        async () => (await server.ask('/v1/catalog/nodes?consistent')) !== undefined,
        timeoutMs,
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((server) => server.kill()))
  }
}

function serverOn(host: TestHost, options: ServersOptions): HostProcess {
  const { hosts, folder, wrapper, env } = options
  const flags = ['-server', '-bootstrap-expect', `${hosts.length}`]
  flags.push('-hcl', `performance { raft_multiplier = ${options.raftMultiplier ?? 1} }`)
  for (const other of hosts) if (other !== host) flags.push('-retry-join', other.address)
  flags.push('-hcl', 'retry_interval = "1s"', ...(options.flags ?? []))
  return new HostProcess({
    host,
    folder,
    dataDir: () => options.dataDir?.(host) ?? join(folder, `${host.name}-data`),
    flags,
    ...(wrapper === undefined ? {} : { wrapper: () => wrapper(host) }),
    ...(env === undefined ? {} : { env: () => env(host) }),
  })
}
