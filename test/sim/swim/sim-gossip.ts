/**
 * Measures simulated gossip pools: `npm run sim:gossip -- --nodes 1000 --seed 1`.
 *
 *   --nodes 1000,10000   sizes, one table for each
 *   --seed 1             of everything; equal seeds give equal figures
 *   --only spread        joining (up to 300 members), rest, spread, detection or false-positives
 *   --victims 5          members that fail, one after another
 *   --node-hours 5       length of each run that looks for false positives, in members times hours
 *
 * Prints a table in Markdown: what was measured, what the formulas of the specification say, and the time it took here.
 */

import { parseArgs } from 'node:util'
import { expectedDetectionMs, expectedSpreadMs } from '../../../core/swim/expected-times.ts'
import { LAN_TIMING } from '../../../core/swim/timing.ts'
import {
  atRest,
  detection,
  falsePositives,
  healing,
  joiningAtOnce,
  SHARES,
  spreading,
  type Trouble,
  WITHOUT_LIFEGUARD,
} from './figures.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    victims: { type: 'string', default: '5' },
    'node-hours': { type: 'string', default: '5' },
  },
})

const PARTS = ['joining', 'rest', 'spread', 'detection', 'false-positives'] as const
const parts = values.only === undefined ? PARTS : values.only.split(',')
for (const part of parts) {
  if (!PARTS.some((known) => known === part)) {
    console.error(`--only knows ${PARTS.join(', ')}, not "${part}"`)
    process.exit(2)
  }
}
/** Each member needs a table of its own to join. */
const JOINING_MAX = 300

for (const nodes of values.nodes.split(',')) report(Number(nodes), Number(values.seed))

function report(nodes: number, seed: number): void {
  const options = { nodes, seed }
  const began = process.hrtime.bigint()
  console.log(`\n### ${nodes} members, seed ${seed}\n`)
  console.log('| figure | measured | predicted |\n| --- | --- | --- |')
  if (parts.includes('joining') && nodes <= JOINING_MAX) reportJoining(options)
  if (parts.includes('rest')) reportRest(options)
  if (parts.includes('spread')) for (const loss of [0, 0.3]) reportSpread(options, loss)
  if (parts.includes('detection')) reportDetection(options)
  if (parts.includes('false-positives')) reportFalsePositives(options)
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  const megabytes = Math.round(process.memoryUsage().rss / 1e6)
  console.log(`\n${seconds.toFixed(0)} s, ${megabytes} MB`)
}

function row(figure: string, measured: string, predicted: string): void {
  console.log(`| ${figure} | ${measured} | ${predicted} |`)
}

function reportJoining(options: { readonly nodes: number; readonly seed: number }): void {
  row('all join one at once, until all see all', seconds(joiningAtOnce(options)), '')
  if (options.nodes < 6) return
  row('two halves meet again, until all see all', seconds(healing(options)), '')
}

function reportRest(options: { readonly nodes: number; readonly seed: number }): void {
  const { bytes, packets } = atRest(options, options.nodes > 3000 ? 10_000 : 30_000)
  row('at rest, sent by each member', `${packets.toFixed(1)} packets/s`, '2 packets/s')
  row('at rest, sent by each member', `${Math.round(bytes)} B/s`, '160 to 400 B/s')
}

function reportSpread(
  options: { readonly nodes: number; readonly seed: number },
  loss: number,
): void {
  const { times } = spreading(options, loss)
  for (const [i, share] of SHARES.entries()) {
    const measured = times[i]
    const predicted =
      share === 1 ? '' : seconds(expectedSpreadMs(options.nodes, share, LAN_TIMING, loss))
    const lost = loss === 0 ? '' : `, ${loss * 100} % of packets lost`
    row(`news known to ${share * 100} %${lost}`, seconds(measured), predicted)
  }
}

function reportDetection(options: { readonly nodes: number; readonly seed: number }): void {
  const found = detection(options, Number(values.victims))
  const of = (read: (each: (typeof found)[number]) => number): string => {
    const sorted = found.map(read).sort((a, b) => a - b)
    const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length
    return `mean ${seconds(mean)}, ${seconds(sorted[0])} to ${seconds(sorted.at(-1))}`
  }
  const { probeIntervalMs } = LAN_TIMING
  const suspected = (Math.E / (Math.E - 1) + 1) * probeIntervalMs
  row(
    'a crash is suspected',
    of((each) => each.suspectedMs),
    seconds(suspected),
  )
  row(
    'declared by the first',
    of((each) => each.declaredMs),
    '',
  )
  row(
    'known to all',
    of((each) => each.allMs),
    seconds(expectedDetectionMs(options.nodes, LAN_TIMING)),
  )
  const each = found.flatMap(({ eachMs }) => eachMs).sort((a, b) => a - b)
  const at = (share: number): string => seconds(each[Math.ceil(share * each.length) - 1])
  row('dropped by an agent, over all crashes', `median ${at(0.5)}, p99 ${at(0.99)}`, '')
  const apart = found.map(({ declaredMs, allMs }) => allMs - declaredMs)
  row('from the first agent to the last', `at most ${seconds(Math.max(...apart))}`, '')
}

function reportFalsePositives(options: { readonly nodes: number; readonly seed: number }): void {
  const ms = (Number(values['node-hours']) / options.nodes) * 3_600_000
  const cases: readonly (readonly [string, Omit<Trouble, 'ms'>])[] = [
    ['10 % of packets lost', { loss: 0.1, slowShare: 0 }],
    ['30 % of packets lost', { loss: 0.3, slowShare: 0 }],
    ['30 % lost, without Lifeguard', { loss: 0.3, slowShare: 0, timing: WITHOUT_LIFEGUARD }],
    ['10 % of members stand still', { loss: 0, slowShare: 0.1 }],
    ['10 % stand still, without Lifeguard', { loss: 0, slowShare: 0.1, timing: WITHOUT_LIFEGUARD }],
    ['messages of 10 % held', { loss: 0, slowShare: 0.1, slowness: 'held' }],
    [
      'messages of 10 % held, without Lifeguard',
      { loss: 0, slowShare: 0.1, slowness: 'held', timing: WITHOUT_LIFEGUARD },
    ],
    ['messages of 30 % held', { loss: 0, slowShare: 0.3, slowness: 'held' }],
    [
      'messages of 30 % held, without Lifeguard',
      { loss: 0, slowShare: 0.3, slowness: 'held', timing: WITHOUT_LIFEGUARD },
    ],
  ]
  for (const [name, trouble] of cases) {
    const found = falsePositives(options, { ...trouble, ms })
    row(
      `well and taken for failed, ${name}`,
      `by most: ${found.agreed}; by any: ${found.single}; ${found.suspicions} suspicions in ${found.nodeHours.toFixed(1)} node hours`,
      trouble.loss <= 0.1 ? 'by most: 0' : '',
    )
  }
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '' : `${(ms / 1000).toFixed(1)} s`
}
