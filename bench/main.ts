/**
 * Runs every benchmark and prints its figures: `npm run bench`; some by name, `npm run bench -- dns proxy`; all of a
 * group by its name, `npm run bench -- cluster`.
 */

import { type Figure, printFigures } from './figures.ts'

interface Benchmark {
  readonly title: string
  readonly run: () => Promise<Figure[]>
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  agent: {
    title: 'The agent',
    run: async () => (await import('./agent.ts')).benchAgent(),
  },
  'cluster/requests': {
    title: 'Requests to three servers',
    run: async () => (await import('./cluster/requests.ts')).benchRequests(),
  },
  'cluster/failover': {
    title: 'A leader killed',
    run: async () => (await import('./cluster/failover.ts')).benchFailover(),
  },
  'cluster/memory': {
    title: 'Memory of registrations',
    run: async () => (await import('./cluster/memory.ts')).benchMemory(),
  },
  'cluster/pause': {
    title: 'Pause of the leader while it takes an image',
    run: async () => (await import('./cluster/pause.ts')).benchPause(),
  },
  'cluster/install': {
    title: 'An image installed on a fresh server',
    run: async () => (await import('./cluster/install.ts')).benchInstall(),
  },
  dns: {
    title: 'DNS',
    run: async () => (await import('./dns.ts')).benchDns(),
  },
  'dns/peers': {
    title: 'DNS beside peers',
    run: async () => (await import('./dns-peers.ts')).benchDnsPeers(),
  },
  'fleet/latency': {
    title: 'Changes on their way to a fleet',
    run: async () => (await import('./fleet/latency.ts')).benchLatency(),
  },
  'fleet/proxies': {
    title: 'Changes on their way to the proxies of a fleet',
    run: async () => (await import('./fleet/proxies.ts')).benchProxies(),
  },
  'fleet/dropping': {
    title: 'A failed host on its way out of the views',
    run: async () => (await import('./fleet/dropping.ts')).benchDropping(),
  },
  'fleet/large-mesh': {
    title: 'A host of a large mesh',
    run: async () => (await import('./fleet/large-mesh.ts')).benchLargeMesh(),
  },
  'fleet/streams': {
    title: 'What subscribed agents cost a server',
    run: async () => (await import('./fleet/streams.ts')).benchStreams(),
  },
  waiters: {
    title: 'Blocked reads',
    run: async () => (await import('./waiters.ts')).benchWaiters(),
  },
  'proxy/scale': {
    title: 'The proxy of a host in a large mesh',
    run: async () => (await import('./proxy/scale.ts')).benchScale(),
  },
  'proxy/soak': {
    title: 'Two proxies under full load while applications and peers are killed',
    run: async () => (await import('./proxy/soak.ts')).soak(),
  },
  'proxy/peers': {
    title: 'The proxy beside its peers',
    run: async () => (await import('./proxy.ts')).benchProxy(),
  },
}

const names = Object.keys(BENCHMARKS)
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !names.some((known) => isMeant(known, name)))
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(', ')}; there are: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (wanted.length > 0 && !wanted.some((each) => isMeant(name, each))) continue
    printFigures(benchmark.title, await benchmark.run())
  }
}

function isMeant(name: string, wish: string): boolean {
  return name === wish || name.startsWith(`${wish}/`)
}
