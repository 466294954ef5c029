/**
 * Runs every benchmark and prints its figures: `npm run bench`, or `npm run bench -- dns proxy` for some.
 */

import { type Figure, printFigures } from './figures.ts'

const BENCHMARKS: Readonly<Record<string, { title: string; run: () => Promise<Figure[]> }>> = {
  agent: {
    title: 'The agent',
    run: async () => (await import('./agent.ts')).benchAgent(),
  },
  cluster: {
    title: 'Three servers beside etcd',
    run: async () => (await import('./cluster.ts')).benchCluster(),
  },
  dns: {
    title: 'DNS',
    run: async () => (await import('./dns.ts')).benchDns(),
  },
  proxy: {
    title: 'The proxy beside its peers',
    run: async () => (await import('./proxy.ts')).benchProxy(),
  },
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in BENCHMARKS))
if (unknown.length > 0) {
  console.error(
    `No benchmark ${unknown.join(', ')}; there are: ${Object.keys(BENCHMARKS).join(', ')}`,
  )
  process.exitCode = 2
} else {
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    printFigures(benchmark.title, await benchmark.run())
  }
}
