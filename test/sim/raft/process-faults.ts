/**
 * Faults of processes: servers die by kill or power cut, one, all or in a loop, stay away, or are paused.
 */

import type { Rng } from '../../../core/rng.ts'
import { CRASH_POINTS, type CrashPoint } from './crash-points.ts'
import type { CrashKind } from './model-disk.ts'
import type { Act, FaultDeps } from './nemesis.ts'
import type { SimServer } from './sim-server.ts'

export function processFaults(deps: FaultDeps): readonly Act[] {
  const { faults, clock } = deps.context.swarm
  const acts: Act[] = []
  const when = (is: boolean, ...given: ((deps: FaultDeps, rng: Rng) => void)[]): void => {
    if (is) for (const act of given) acts.push((rng) => act(deps, rng))
  }
  when(faults.crashes, crashOne, crashOne, crashAll)
  when(faults.armedCrashes, crashAtPoint, crashAtPoint, crashSoon)
  when(faults.crashLoops, crashLoop)
  when(faults.longAbsence, longAbsence)
  when(clock.hasPauses, pause, pause)
  when(clock.hasWallJumps, jumpWall)
  return acts
}

/** Leaders are hit more often than chance would: that is where decisions are lost. */
export function victimOf({ leader, servers }: FaultDeps, rng: Rng): SimServer | undefined {
  return rng.float() < 0.5 ? (leader() ?? rng.pick(servers())) : rng.pick(servers())
}

export function restartLater(deps: FaultDeps, rng: Rng, server: SimServer): void {
  const { events, electionUs } = deps.context
  const delay = electionUs * (rng.float() < 0.4 ? 0.3 : 10) * rng.float()
  events.after(delay, () => startAgain(deps, server))
  // One that was to die at a place it never passed goes on; the plan is dropped.
  events.after(delay + 20 * electionUs, () => startAgain(deps, server))
}

export function startAgain({ isOver }: FaultDeps, server: SimServer): void {
  if (!isOver() && !server.isUp && !server.isRetired) server.start()
}

export function crashKind(rng: Rng): CrashKind {
  return rng.float() < 0.5 ? 'kill' : 'power-cut'
}

function crashOne(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  if (server?.isUp !== true) return
  server.crash(crashKind(rng))
  restartLater(deps, rng, server)
}

function crashAll(deps: FaultDeps, rng: Rng): void {
  if (rng.float() < 0.7) return
  deps.context.counters.add('fault.crash.all')
  for (const server of deps.servers()) {
    if (!server.isUp) continue
    server.crash(crashKind(rng))
    restartLater(deps, rng, server)
  }
}

function crashSoon(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  if (server?.isUp !== true) return
  server.crashAfterEffects(rng.range(1, 12))
  restartLater(deps, rng, server)
}

function crashAtPoint(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  if (server?.isUp !== true) return
  server.crashAt(rng.pick(CRASH_POINTS) as CrashPoint)
  restartLater(deps, rng, server)
}

function crashLoop(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  if (server === undefined) return
  const { counters, events, electionUs } = deps.context
  counters.add('fault.crash.loop')
  let rounds = rng.range(3, 9)
  const round = (): void => {
    if (deps.isOver() || rounds-- <= 0) return
    if (server.isUp) server.crash(crashKind(rng))
    startAgain(deps, server)
    events.after(rng.range(1, 4) * electionUs * rng.float(), round)
  }
  round()
}

/** Away for so long that its log has to be replaced by an image. */
function longAbsence(deps: FaultDeps, rng: Rng): void {
  const server = rng.pick(deps.servers())
  if (server?.isUp !== true) return
  const { counters, events, electionUs } = deps.context
  counters.add('fault.long-absence')
  server.crash(crashKind(rng))
  events.after(electionUs * rng.range(10, 60), () => startAgain(deps, server))
}

function pause(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  server?.pause(deps.context.electionUs * (rng.float() < 0.5 ? rng.float() : 4 * rng.float()))
}

function jumpWall({ context, servers }: FaultDeps, rng: Rng): void {
  context.counters.add('fault.wall-jump')
  rng.pick(servers())?.clock.jumpWall()
}
