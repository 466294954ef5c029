/**
 * Simulates clusters of servers by the thousand: `npm run sim`.
 *
 *   npm run sim -- --seeds 500                 fresh seeds, from a base that --base sets
 *   npm run sim -- --minutes 15                as many as fit
 *   FAIRLEAD_SEED=7 npm run sim                one seed, with its last events when it fails (or --seed 7)
 *   npm run sim -- --seeds 50 --twice          each twice: equal seeds have to give equal traces
 *
 *   npm run sim -- --seed 7 --shrink           makes a failing seed smaller, for up to five minutes
 *   npm run sim -- --case '{…}'                what that printed
 *   npm run sim -- --seeds 100 --seek          then seeks what these did not reach (raft/coverage.ts)
 *
 * `--set '{"leaseReads":true}'` fixes what a seed would draw (test/sim/raft/swarm.ts).
 * `--steps` sets the inputs of cores in the safety phase of a seed (20,000), `--json` prints the totals as
 * one line for the ledger. Prints what was done and what went wrong by kind, crashes by place, and the marks
 * of the core that were hit least. A failure prints its rule, the command that replays it and whether it
 * does. Exit 1 when a seed failed.
 */

import { parseArgs } from 'node:util'
import { Campaign } from './raft/campaign.ts'
import { optionsOf, type SimCase, shrink } from './raft/shrink.ts'

const SHRINK_MS = 300_000

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    base: { type: 'string', default: '1' },
    steps: { type: 'string', default: '20000' },
    twice: { type: 'boolean', default: false },
    set: { type: 'string', default: '{}' },
    shrink: { type: 'boolean', default: false },
    case: { type: 'string' },
    seek: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    failures: { type: 'string', default: '5' },
  },
})

const one = values.seed ?? process.env['FAIRLEAD_SEED']
const set = JSON.parse(values.set)
const given: SimCase | null =
  values.case !== undefined
    ? JSON.parse(values.case)
    : one === undefined
      ? null
      : { seed: Number(one), steps: Number(values.steps), set }
const campaign = new Campaign({
  steps: Number(values.steps),
  twice: values.twice,
  override: (drawn) => ({ ...drawn, ...set }),
  failuresMax: Number(values.failures),
  print: (line) => console.error(line),
})
if (given !== null && values.shrink) showSmallest(given)
else if (given !== null) campaign.one(optionsOf(given))
else {
  const base = Number.parseInt(values.base, values.base.startsWith('0x') ? 16 : 10)
  const minutes = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes)
  const seeds =
    values.seeds === undefined && values.minutes !== undefined
      ? Number.POSITIVE_INFINITY
      : Number(values.seeds ?? 100)
  campaign.many({ base, seeds, until: Date.now() + minutes * 60_000 })
}
if (values.seek) {
  const unreached = campaign.seek()
  console.error(`not reached: ${unreached.join(', ') || 'nothing'}`)
  campaign.failures += unreached.length
}
console.log(values.json ? JSON.stringify(campaign.totals) : campaign.table())
process.exitCode = campaign.failures > 0 ? 1 : 0

function showSmallest(failing: SimCase): void {
  const end = Date.now() + SHRINK_MS
  const shrunk = shrink(failing, () => Date.now() > end)
  if (shrunk === null) {
    console.error('it does not fail')
    return
  }
  console.error(
    `${shrunk.message}\nafter ${shrunk.runs} runs; replay: npm run sim -- --case '${JSON.stringify(shrunk.smallest)}'`,
  )
  campaign.failures++
}
