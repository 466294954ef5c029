/**
 * Faults of disks: a write fails, hangs, or acknowledged entries are found damaged or are silently not there.
 *
 * The fault atlas (verification 7.3): at most a minority of the voters of every configuration that may be in
 * force has lost acknowledged entries at any time, unless the run goes beyond the model. What a disk loses
 * without knowing (wiped, an old copy, a lying cache) can be told by nobody after a change of leader, so only
 * servers that never were voters lose it here.
 */

import type { Rng } from '../../../core/rng.ts'
import type { Act, FaultDeps } from './nemesis.ts'
import { crashKind, restartLater, victimOf } from './process-faults.ts'
import type { SimServer } from './sim-server.ts'

export function diskFaults(deps: FaultDeps): readonly Act[] {
  const { faults, disk } = deps.context.swarm
  const acts: Act[] = []
  const when = (is: boolean, ...given: ((deps: FaultDeps, rng: Rng) => void)[]): void => {
    if (is) for (const act of given) acts.push((rng) => act(deps, rng))
  }
  when(disk.hasWriteErrors, failWrite)
  when(disk.hasDamage, damage)
  when(disk.hasHangs, hang)
  when(faults.wipes, forget)
  return acts
}

/** How a disk loses what it acknowledged without a trace. */
export type LossKind = 'wiped' | 'old-copy' | 'lying'

/** @returns how many acknowledged entries are gone; 0 when there was nothing to lose */
export function loseSilently(server: SimServer, kind: LossKind, rng: Rng): number {
  const { disk } = server
  const before = disk.lastIndex
  if (kind === 'wiped') disk.wipe()
  else if (kind === 'old-copy') {
    if (!disk.goBack()) disk.copyAway()
  } else if (before > disk.anchor.index) disk.loseTail(rng.range(disk.anchor.index + 1, before + 1))
  return before - disk.lastIndex
}

function failWrite(deps: FaultDeps, rng: Rng): void {
  const server = victimOf(deps, rng)
  if (server?.isUp !== true) return
  server.failsNextWrite = true
  restartLater(deps, rng, server)
}

/**
 * The next write of the leader hangs for several election timeouts, while in half of the cases its appends
 * stop arriving, so that nobody can be caught up to take over (4.8).
 */
function hang(deps: FaultDeps, rng: Rng): void {
  const { context, network, servers } = deps
  const server = victimOf(deps, rng)
  if (server?.isUp !== true) return
  const { events, electionUs } = context
  const duration = electionUs * (1 + 6 * rng.float())
  server.hangNextWrite(duration)
  if (rng.float() < 0.5) return
  const others = servers().filter((other) => other !== server)
  const stream = rng.float() < 0.5 ? 'append' : 'heartbeat'
  // A leader that nobody hears is deposed before it finds its disk sick: heartbeats stop later.
  events.after(electionUs * (stream === 'append' ? 0.5 + rng.float() : 1.5 + rng.float()), () => {
    if (!deps.isOver()) for (const { id } of others) network.cut(server.id, id, stream)
  })
  events.after(electionUs * 4 + duration, () => {
    for (const { id } of others) network.mend(server.id, id)
  })
}

/** Acknowledged entries of a server turn out unreadable when it comes back. */
function damage(deps: FaultDeps, rng: Rng): void {
  const { context, servers } = deps
  const server = rng.pick(servers())
  if (server === undefined || !mayDamage(deps, server)) return
  if (server.isUp) server.crash('kill')
  const { disk } = server
  restartLater(deps, rng, server)
  if (disk.lastIndex <= disk.anchor.index) return
  const from = rng.range(Math.max(disk.anchor.index + 1, disk.lastIndex - 20), disk.lastIndex + 1)
  disk.damage(from)
  context.counters.add('fault.disk.damage')
}

/** A server that never was a voter comes back under its id and holds less than it said. */
function forget(deps: FaultDeps, rng: Rng): void {
  const { context, servers } = deps
  const { oracle, counters } = context
  const server = rng.pick(servers().filter(({ id }) => !oracle.mayHaveVoted(id)))
  if (server === undefined) return
  if (server.isUp) server.crash(crashKind(rng))
  const kind = rng.pick(['wiped', 'old-copy', 'lying'] as const) ?? 'wiped'
  if (loseSilently(server, kind, rng) > 0) counters.add(`fault.disk.${kind}`)
  oracle.forgive(server.id)
  restartLater(deps, rng, server)
}

function mayDamage({ context, servers }: FaultDeps, server: SimServer): boolean {
  const { oracle, swarm } = context
  if (swarm.isBeyondModel) return true
  const inForce = servers().flatMap((s) => s.core?.configuration ?? [])
  const sets = [
    oracle.committedConfiguration,
    ...oracle.uncommittedConfigurations,
    ...inForce.filter((configuration) => configuration.incoming.length > 0),
  ]
  const damaged = new Set(servers().flatMap((s) => (s.disk.damagedTo === null ? [] : s.id)))
  damaged.add(server.id)
  return sets.every(({ incoming, outgoing }) => {
    return [incoming, outgoing].every((voters) => {
      const lost = voters.filter((id) => damaged.has(id)).length
      return lost === 0 || 2 * lost < voters.length
    })
  })
}
