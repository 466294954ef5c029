/**
 * Simulates clusters of servers by the thousand: `npm run sim`.
 *
 *   npm run sim -- --seeds 500                 fresh seeds, from a base that --base sets
 *   npm run sim -- --minutes 15                as many as fit
 *   FAIRLEAD_SEED=7 npm run sim                one seed, with its last events when it fails (or --seed 7)
 *   npm run sim -- --seeds 50 --twice          each twice: equal seeds have to give equal traces
 *
 * `--set '{"leaseReads":true}'` fixes what a seed would draw (test/sim/raft/swarm.ts).
 * `--steps` sets the inputs of cores in the safety phase of a seed (20,000), `--json` prints the totals as
 * one line for the ledger. Prints what was done and what went wrong by kind, crashes by place, and the marks
 * of the core that were hit least. A failure prints its rule, the command that replays it and whether it
 * does. Exit 1 when a seed failed.
 */

import { parseArgs } from 'node:util'
import { Campaign } from './raft/campaign.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    base: { type: 'string', default: '1' },
    steps: { type: 'string', default: '20000' },
    twice: { type: 'boolean', default: false },
    set: { type: 'string', default: '{}' },
    seek: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    failures: { type: 'string', default: '5' },
  },
})

const one = values.seed ?? process.env['FAIRLEAD_SEED']
const campaign = new Campaign({
  steps: Number(values.steps),
  twice: values.twice,
  override: (drawn) => ({ ...drawn, ...JSON.parse(values.set) }),
  failuresMax: Number(values.failures),
  print: (line) => console.error(line),
})
if (one !== undefined) campaign.one(Number(one))
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
