/**
 * Plants bugs one at a time and lets the simulator find them: `npm run planted`.
 *
 *   npm run planted                    all of them (verification, section 14)
 *   npm run planted -- --match lease   those whose name contains a text
 *   npm run planted -- --base 5000     other seeds
 *   npm run planted -- --legal         changes in which nothing is to be found
 *
 * Prints for each how many seeds and steps it took and what gave it away. Exit 1 when one was not found
 * within its budget, or something was found in a legal change.
 */

import { parseArgs } from 'node:util'
import { LEGAL_CHANGES, PLANTED_BUGS } from './planted/bugs.ts'
import { hunt } from './planted/plant.ts'

const { values } = parseArgs({
  options: {
    match: { type: 'string', default: '' },
    legal: { type: 'boolean', default: false },
    base: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
  },
})

const bugs = values.legal ? LEGAL_CHANGES : PLANTED_BUGS
const chosen = bugs.filter(({ name }) => name.includes(values.match))
let right = 0
for (const bug of chosen) {
  const outcome = hunt(bug, {
    base: Number(values.base),
    timeoutMs: Number(values.minutes) * 60_000,
  })
  const isRight = outcome.isFound !== values.legal
  if (isRight) right++
  const mark = isRight ? '✔' : '✖'
  console.log(
    `${mark} ${String(bug.number).padStart(2)} ${bug.name.padEnd(58)} ${String(outcome.seeds).padStart(4)} of ${bug.seeds} seeds ${String(outcome.steps).padStart(9)} steps ${outcome.seconds.toFixed(1).padStart(6)} s  ${outcome.finding}`,
  )
}
console.log(`${right} of ${chosen.length} came out as they have to`)
process.exitCode = right === chosen.length ? 0 : 1
