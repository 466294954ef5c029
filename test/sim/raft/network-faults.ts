/**
 * Faults of the network: partitions of every shape, swizzles, clogs, broken streams, links that are slow in one
 * direction, and a voter that changes sides while the old leader still trusts its lease.
 */

import type { Rng } from '../../../core/rng.ts'
import type { Act, FaultDeps } from './nemesis.ts'
import { startAgain, victimOf } from './process-faults.ts'
import type { SimServer } from './sim-server.ts'

/** In the half of an election timeout for which a lease lasts. */
const RUSHES = 16

export function networkFaults(deps: FaultDeps): readonly Act[] {
  const { faults } = deps.context.swarm
  const acts: Act[] = []
  const when = (is: boolean, ...given: ((deps: FaultDeps, rng: Rng) => void)[]): void => {
    if (is) for (const act of given) acts.push((rng) => act(deps, rng))
  }
  when(faults.partitions, partition, partition, heal)
  when(faults.swizzles, swizzle)
  when(faults.clogs, clog)
  when(faults.streamBreaks, breakStream)
  when(faults.lags, lag)
  when(faults.turncoats, turncoat)
  return acts
}

function heal({ network }: FaultDeps): void {
  network.heal()
}

function partition(deps: FaultDeps, rng: Rng): void {
  const { network, context, servers } = deps
  network.heal()
  const victim = victimOf(deps, rng)
  if (victim === undefined) return
  const others = rng.shuffle(servers().filter((server) => server !== victim))
  if (others.length === 0) return
  context.counters.add('fault.partition')
  const all = [victim, ...others]
  switch (rng.range(0, 6)) {
    case 0: {
      // Halves, or one alone when the size is 1.
      const size = rng.range(1, all.length)
      cutBetween(deps, all.slice(0, size), all.slice(size), true)
      break
    }
    case 1:
      cutBetween(deps, [victim], others, true)
      break
    case 2: {
      context.counters.add('fault.partition.one-way')
      const [from, to] = rng.float() < 0.5 ? [[victim], others] : [others, [victim]]
      cutBetween(deps, from, to, false)
      break
    }
    case 3:
      context.counters.add('fault.partition.ring')
      cutRing(deps, all)
      break
    case 4: {
      context.counters.add('fault.partition.bridge')
      const half = Math.ceil(others.length / 2)
      cutBetween(deps, others.slice(0, half), others.slice(half), true)
      break
    }
    default: {
      context.counters.add('fault.partition.stream')
      const stream = rng.pick(['append', 'heartbeat'] as const) ?? 'append'
      for (const other of others) {
        network.cut(victim.id, other.id, stream)
        if (rng.float() < 0.5) network.cut(other.id, victim.id, stream)
      }
    }
  }
  const isHealed = rng.float() < 0.6
  context.events.after(context.electionUs * (0.5 + 12 * rng.float()), () => {
    if (!deps.isOver() && isHealed) network.heal()
  })
}

/** Everybody sees a majority, no two see the same. */
function cutRing(deps: FaultDeps, all: readonly SimServer[]): void {
  const reach = Math.floor(all.length / 2)
  for (const [i, one] of all.entries()) {
    for (const [offset, other] of all.slice(i + 1).entries()) {
      const distance = Math.min(offset + 1, all.length - (offset + 1))
      if (2 * distance > reach) cutBetween(deps, [one], [other], true)
    }
  }
}

/** Links stop one by one and come back in another order. */
function swizzle(deps: FaultDeps, rng: Rng): void {
  const { network, context, servers } = deps
  context.counters.add('fault.swizzle')
  const subset = rng.shuffle(servers()).slice(0, rng.range(1, servers().length + 1))
  const { electionUs, events } = context
  for (const server of subset) {
    const at = 3 * electionUs * rng.float()
    events.after(at, () => {
      const others = servers().filter((other) => other !== server)
      if (!deps.isOver()) cutBetween(deps, [server], others, true)
    })
    events.after(at + 3 * electionUs + 3 * electionUs * rng.float(), () => {
      for (const other of servers()) {
        network.mend(server.id, other.id)
        network.mend(other.id, server.id)
      }
    })
  }
}

function clog({ network, context, servers }: FaultDeps, rng: Rng): void {
  const [from, to] = rng.shuffle(servers())
  if (from === undefined || to === undefined) return
  network.clog(from.id, to.id, 3 * context.electionUs * rng.float())
}

function breakStream({ network, context, servers }: FaultDeps, rng: Rng): void {
  const [from, to] = rng.shuffle(servers())
  if (from === undefined || to === undefined) return
  context.counters.add('fault.network.stream-break')
  network.breakStream(from.id, to.id)
}

/**
 * What is said to one server arrives late by up to an election timeout, for a while; then, more often than not, nothing that it says arrives any more, while answers to what it said before are still on their way.
 */
function lag(deps: FaultDeps, rng: Rng): void {
  const { network, context, servers } = deps
  const victim = victimOf(deps, rng)
  if (victim === undefined) return
  context.counters.add('fault.lag')
  const { electionUs, events } = context
  const late = electionUs * (0.3 + 0.7 * rng.float())
  const others = servers().filter((server) => server !== victim)
  for (const other of others) network.lag(other.id, victim.id, late)
  const until = electionUs * (1.5 + 3 * rng.float())
  const isCut = rng.float() < 0.7
  events.after(until, () => {
    if (!deps.isOver() && isCut) cutBetween(deps, [victim], others, false)
  })
  events.after(until + 3 * electionUs, () => {
    for (const other of others) {
      network.lag(other.id, victim.id, 0)
      if (isCut) network.mend(victim.id, other.id)
    }
  })
}

/**
 * One follower does not hear heartbeats until it wants to stand for election. Then the leader is cut off, and
 * those who follow it are killed and come back at once: only their grace keeps them from voting while
 * the leader may still trust its lease (4.6).
 */
function turncoat(deps: FaultDeps, rng: Rng): void {
  const { network, context, servers } = deps
  const leader = deps.leader()
  const followers = rng.shuffle(servers().filter((server) => server !== leader && server.isUp))
  const [rebel, ...loyal] = followers
  if (leader === undefined || rebel === undefined) return
  context.counters.add('fault.turncoat')
  const { electionUs, events } = context
  network.cut(leader.id, rebel.id, 'heartbeat')
  const at = electionUs * (0.9 + 1.5 * rng.float())
  const away = electionUs * 0.1 * rng.float()
  events.after(at, () => {
    if (deps.isOver()) return
    cutBetween(deps, [leader], followers, true)
    for (const server of loyal) {
      if (server.isUp) server.crash('kill')
      events.after(away, () => startAgain(deps, server))
    }
  })
  // Whoever leads is asked much in that time.
  for (let i = 0; i < RUSHES; i++) {
    events.after(at + (0.5 * electionUs * i) / RUSHES, () => context.rush())
  }
  events.after(at + 3 * electionUs, () => {
    for (const server of followers) {
      network.mend(leader.id, server.id)
      network.mend(server.id, leader.id)
    }
  })
}

function cutBetween(
  { network }: FaultDeps,
  left: readonly SimServer[],
  right: readonly SimServer[],
  bothWays: boolean,
): void {
  for (const x of left) {
    for (const y of right) {
      network.cut(x.id, y.id)
      if (bothWays) network.cut(y.id, x.id)
    }
  }
}
