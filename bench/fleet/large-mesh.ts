/**
 * What a change of a large mesh costs one host, and when its proxy has it: 50 services of 200 instances with a
 * sidecar each, all followed by the host, as shared addresses have it.
 *
 * One server, which is the host as well. One more service has one instance, which is healthy and is not, in turn: from the
 * write until a call through the proxy (proxy-eye.ts) ends as it should. CPU is that of the agent, which is the server
 * too, and of its proxy. Run alone: `node bench/fleet/large-mesh.ts`.
 */

import { join } from 'node:path'
import { startFairlead } from '../cluster/fairlead-cluster.ts'
import { temporaryFolder } from '../cluster/members.ts'
import { type Figure, median, printFigures } from '../figures.ts'
import { childrenOf, cpuMs, processesMentioning, rssBytes } from '../process-stats.ts'
import { put, registerMeshed, sharedAddress, startApp } from './mesh-apps.ts'
import { NONE_HEALTHY, ProxyEye } from './proxy-eye.ts'

const SERVICES = Number(process.env['BENCH_SERVICES'] ?? 50)
const INSTANCES = Number(process.env['BENCH_SERVICE_INSTANCES'] ?? 200)
const CHANGES = Number(process.env['BENCH_CHANGES'] ?? 60)
const WARM_CHANGES = 20
const COMES = 'comes'
const CALL_EVERY_MS = 2
const FILLED_AT_A_TIME = 50
const SETTLE_MAX_MS = 60_000
const MARK = { name: 'the mark', value: 1_000 }

export async function benchLargeMesh(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using _leftovers = {
    [Symbol.asyncDispose]: async () => {
      for (const pid of processesMentioning(folder.path)) process.kill(pid, 'SIGKILL')
    },
  }
  await using cluster = await startFairlead(join(folder.path, 'server'), {
    size: 1,
    hcl: () => 'proxy { loopback_base = "127.151.0.0" }',
  })
  const url = await cluster.leader()
  const host = { name: 'server1', url, dns: await dnsPort(url) }
  await using app = await startApp(host.name)
  await registerMeshed(host, { name: COMES, port: app.port })
  const address = await sharedAddress(host, COMES)
  using eye = new ProxyEye(`http://${address}:${app.port}/`, CALL_EVERY_MS)
  await eye.when(host.name, SETTLE_MAX_MS)
  await fill(url)
  const agent = cluster.pidOf(url)
  const proxy = childrenOf(agent)[0] ?? 0
  const took: number[] = []
  let before = { agent: 0, proxy: 0 }
  for (let i = -WARM_CHANGES; i < CHANGES; i++) {
    if (i === 0) before = { agent: cpuMs(agent), proxy: cpuMs(proxy) }
    const isHealthy = i % 2 !== 0
    const begun = performance.now()
    await put(`${url}/v1/agent/check/${isHealthy ? 'pass' : 'fail'}/${COMES}`)
    const at = await eye.when(isHealthy ? host.name : NONE_HEALTHY, SETTLE_MAX_MS)
    if (i >= 0) took.push(at - begun)
  }
  const ofEach = (pid: number, from: number): number => (cpuMs(pid) - from) / CHANGES
  return [
    { name: 'a flip until the proxy follows, median', value: median(took), unit: 'ms' },
    { name: 'the same, worst', value: Math.max(...took), unit: 'ms', mark: MARK },
    { name: 'a flip, CPU of agent and server', value: ofEach(agent, before.agent), unit: 'ms' },
    { name: 'a flip, CPU of the proxy', value: ofEach(proxy, before.proxy), unit: 'ms' },
    { name: 'resident, proxy', value: rssBytes(proxy) / 1e6, unit: 'MB' },
  ]
}

async function dnsPort(url: string): Promise<number> {
  const self = (await (await fetch(`${url}/v1/agent/self`)).json()) as {
    readonly DebugConfig: { readonly DNSPort: number }
  }
  return self.DebugConfig.DNSPort
}

async function fill(url: string): Promise<void> {
  for (let service = 0; service < SERVICES; service++) {
    for (let from = 0; from < INSTANCES; from += FILLED_AT_A_TIME) {
      const count = Math.min(FILLED_AT_A_TIME, INSTANCES - from)
      const numbers = Array.from({ length: count }, (_, i) => from + i)
      await Promise.all(numbers.map((instance) => registerSidecar(url, service, instance)))
    }
  }
}

async function registerSidecar(url: string, service: number, instance: number): Promise<void> {
  const name = `service${service}`
  const id = `${name}-${instance}-sidecar-proxy`
  await put(`${url}/v1/catalog/register`, {
    Node: `host${instance}`,
    Address: `10.0.${instance >> 8}.${instance & 255}`,
    Service: {
      Kind: 'connect-proxy',
      Service: `${name}-sidecar-proxy`,
      ID: id,
      Port: 21_000 + service,
      Proxy: { DestinationServiceName: name, LocalServicePort: 8_080 },
    },
    Check: { CheckID: id, Name: name, Status: 'passing', ServiceID: id },
  })
}

if (import.meta.main) printFigures('A host of a large mesh', await benchLargeMesh())
