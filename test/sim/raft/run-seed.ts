/**
 * One seed from beginning to end, and what to tell when it fails: rule, replaying command, last events.
 */

import type { Swarm } from './swarm.ts'
import { World, type WorldOptions, type WorldReport } from './world.ts'

const EVENTS_SHOWN = 200

export class SeedFailed extends Error {
  readonly seed: number
  /** What was violated, the same for every way to come to it. */
  readonly rule: string
  readonly stepsDone: number
  readonly swarm: Swarm
  /** How many acts there had been. */
  readonly acts: World['acts']
  readonly details: string

  constructor(world: World, options: WorldOptions, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause)
    const [first = ''] = text.split('\n')
    const command = `npm run sim -- --seed ${options.seed} --steps ${options.steps}`
    super(
      `seed ${options.seed}, phase ${world.phase}, step ${world.stepsDone}: ${first}\nreplay: ${command}`,
      {
        cause,
      },
    )
    this.seed = options.seed
    this.rule = ruleOf(first)
    this.stepsDone = world.stepsDone
    this.swarm = world.swarm
    this.acts = world.acts
    this.details = detailsOf(world)
  }
}

/** @throws SeedFailed */
export function runSeed(options: WorldOptions): WorldReport {
  const world = new World(options)
  try {
    return world.run()
  } catch (cause) {
    throw new SeedFailed(world, options, cause)
  }
}

/** Without names and numbers, so that two failures can be told to be the same. */
function ruleOf(message: string): string {
  return message
    .replaceAll(/\b[a-z]+\d+\b/g, '#')
    .replaceAll(/\d+/g, '#')
    .slice(0, 48)
}

function detailsOf(world: World): string {
  const rows = world.trace.last(EVENTS_SHOWN).map(({ at, server, what, a, b, c }) => {
    const time = (at / 1_000).toFixed(3).padStart(12)
    return `${time} ms  ${server.padEnd(4)} ${what.padEnd(22)} ${a} ${b} ${c}`
  })
  return [
    ...rows,
    '',
    ...world.describe().split('; '),
    '',
    `drawn: ${JSON.stringify(world.swarm)}`,
  ].join('\n')
}
