/**
 * What a simulated pool of any size does, measured beside what the formulas say (gossip.md 5, 7.3, 13.2, 13.3).
 *
 * Every figure comes from a world of its own and one seed, so that it can be had again alone. Times are virtual ms.
 */

import assert from 'node:assert/strict'
import { seededRng } from '../../../core/rng.ts'
import { type GossipTiming, LAN_TIMING } from '../../../core/swim/timing.ts'
import type { SimMember } from './sim-member.ts'
import { SwimWorld } from './swim-world.ts'

export interface FiguresOptions {
  readonly nodes: number
  readonly seed: number
}

/** Around the body of an encrypted packet of a datacenter with a name of three letters. */
const SEAL_BYTES = 6 + 32
/** The world counts headers of IP and UDP already. */
const STEP_MS = 20

/** No part of Lifeguard that can be taken away: probes of fixed pace, suspicions of fixed length. */
export const WITHOUT_LIFEGUARD: GossipTiming = {
  ...LAN_TIMING,
  awarenessMaxMultiplier: 1,
  suspicionMaxTimeoutMult: 1,
}

function poolOf(
  { nodes, seed }: FiguresOptions,
  change: { readonly timing?: GossipTiming } = {},
): { readonly world: SwimWorld; readonly pool: readonly SimMember[] } {
  const world = new SwimWorld({ seed, ...change })
  world.checksAll = false
  world.keepsEvents = false
  return { world, pool: world.addLargePool(nodes) }
}

/** What one member sends, each second, while nothing happens: bytes on the wire and packets. */
export function atRest(options: FiguresOptions, ms: number): { bytes: number; packets: number } {
  const { world, pool } = poolOf(options)
  for (const member of pool) {
    member.bytesSent = 0
    member.packetsSent = 0
  }
  world.run(ms)
  const sum = (of: (member: SimMember) => number): number =>
    pool.reduce((total, member) => total + of(member), 0)
  const share = pool.length * (ms / 1000)
  const packets = sum(({ packetsSent }) => packetsSent) / share
  return { bytes: sum(({ bytesSent }) => bytesSent) / share + packets * SEAL_BYTES, packets }
}

export const SHARES = [0.5, 0.99, 0.9999, 1] as const

/** Until new tags of one member are known to these shares of the pool, and bytes sent for it by each. */
export function spreading(
  options: FiguresOptions,
  loss = 0,
): { readonly times: readonly number[]; readonly bytes: number } {
  const { world, pool } = poolOf(options)
  world.loss = loss
  const [speaker] = pool
  assert.ok(speaker !== undefined)
  let known = 1
  const times: number[] = []
  const begin = world.now
  world.onEffect = (member, effect) => {
    if (effect.kind !== 'member' || effect.name !== speaker.name || member === speaker) return
    known++
    for (const share of SHARES.slice(times.length)) {
      if (known >= Math.ceil(share * pool.length)) times.push(world.now - begin)
    }
  }
  for (const member of pool) member.bytesSent = 0
  world.input(speaker, { kind: 'set-meta', meta: new Uint8Array([1, 1, 97, 1, 98]) })
  world.runUntil(() => known === pool.length, 60_000, STEP_MS)
  const bytes = pool.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / pool.length
  return { times, bytes }
}

/** Members that know nobody and join one at once: until all see all. Each has a table of its own: up to about 300. */
export function joiningAtOnce({ nodes, seed }: FiguresOptions): number {
  const world = new SwimWorld({ seed })
  world.checksAll = false
  world.keepsEvents = false
  const begin = world.now
  world.addPool(nodes, 300_000)
  return world.now - begin
}

/** Two halves that lost each other for two minutes: until all see all again. */
export function healing({ nodes, seed }: FiguresOptions): number {
  const world = new SwimWorld({ seed })
  world.checksAll = false
  world.keepsEvents = false
  const pool = world.addPool(nodes, 300_000)
  world.partition(pool.slice(0, nodes / 2), pool.slice(nodes / 2))
  world.run(120_000)
  world.heal()
  return world.runUntil(() => world.isWhole, 600_000, 200)
}

export interface Detection {
  /** Since the crash: somebody suspects it, somebody declares it, all have heard. */
  readonly suspectedMs: number
  readonly declaredMs: number
  readonly allMs: number
  /** When each of the others took it for failed, which is when its agent drops the host; ascending. */
  readonly eachMs: readonly number[]
}

/** `victims` members crash one after another, far enough apart. */
export function detection(options: FiguresOptions, victims: number): readonly Detection[] {
  const { world, pool } = poolOf(options)
  world.run(3000)
  const found: Detection[] = []
  for (const victim of pool.slice(1, 1 + victims)) {
    // At any moment of the probe interval, so that the mean is one over all.
    world.run(100 + ((options.seed * 379 + found.length * 617) % 1000))
    found.push(detect(world, pool.length - 1 - found.length, victim))
  }
  return found
}

function detect(world: SwimWorld, others: number, victim: SimMember): Detection {
  const begin = world.now
  let suspectedMs = 0
  let declaredMs = 0
  let allMs = 0
  const eachMs: number[] = []
  world.onEffect = (_member, effect) => {
    const at = world.now - begin
    if (effect.kind === 'notice' && effect.notice.kind === 'suspected') {
      if (effect.notice.name === victim.name && suspectedMs === 0) suspectedMs = at
    } else if (effect.kind === 'member' && effect.change === 'fail') {
      if (effect.name !== victim.name) return
      if (eachMs.length === 0) declaredMs = at
      eachMs.push(at)
      if (eachMs.length === others) allMs = at
    }
  }
  world.crash(victim)
  world.runUntil(() => allMs > 0, 180_000, 100)
  return { suspectedMs, declaredMs, allMs, eachMs }
}

export interface FalsePositives {
  /** Members that were well and that more than half of the others took for failed. */
  readonly agreed: number
  /** The same for as little as one of the others, until it heard better. */
  readonly single: number
  /** Members that stood still and were taken for failed by somebody. */
  readonly slow: number
  /** How often a slow member believed a well one to have failed. */
  readonly believed: number
  /** Probes that ended without an answer, of those that are well. */
  readonly suspicions: number
  readonly nodeHours: number
}

export interface Trouble {
  readonly ms: number
  readonly loss: number
  /** Share of members that are slow again and again. */
  readonly slowShare: number
  /** The whole process stands still, or its messages are held back while its timers run. */
  readonly slowness?: 'still' | 'held'
  readonly timing?: GossipTiming
}

/** Nobody fails; who is declared failed is so wrongly. Slow members are so for 5 to 20 s and run for 0.1 to 1 s. */
export function falsePositives(options: FiguresOptions, trouble: Trouble): FalsePositives {
  const { timing } = trouble
  const { world, pool } = poolOf(options, timing === undefined ? {} : { timing })
  world.loss = trouble.loss
  // A connection, a question and an answer: four segments that must all get through.
  world.streamLoss = 1 - (1 - trouble.loss) ** 4
  const slow = pool.slice(0, Math.round(trouble.slowShare * pool.length))
  const isSlow = new Set(slow.map(({ name }) => name))
  const rng = seededRng(options.seed).fork('slow')
  const nextPause = new Map(slow.map((member) => [member, rng.float() * 5000]))
  const declared = new Map<string, number>()
  let suspicions = 0
  let believed = 0
  world.onEffect = (member, effect) => {
    if (isSlow.has(member.name)) {
      const isFailure = effect.kind === 'member' && effect.change === 'fail'
      if (isFailure && !isSlow.has(effect.name)) believed++
      return
    }
    if (effect.kind === 'notice' && effect.notice.kind === 'suspected') {
      if (effect.notice.by === member.name) suspicions++
    }
    if (effect.kind !== 'member' || effect.change !== 'fail') return
    const incarnation = member.core.member(effect.name)?.incarnation ?? 0
    const rumour = `${effect.name} ${incarnation}`
    declared.set(rumour, (declared.get(rumour) ?? 0) + 1)
  }
  const begin = world.now
  while (world.now - begin < trouble.ms) {
    for (const [member, at] of nextPause) {
      if (world.now - begin < at) continue
      const pauseMs = 5000 + rng.float() * 15_000
      if (trouble.slowness === 'held') world.hold(member, pauseMs)
      else world.pause(member, pauseMs)
      nextPause.set(member, world.now - begin + pauseMs + 100 + rng.float() * 900)
    }
    world.run(100)
  }
  const well = [...declared].filter(([rumour]) => !isSlow.has(nameIn(rumour)))
  return {
    agreed: well.filter(([, observers]) => observers > pool.length / 2).length,
    single: well.length,
    slow: declared.size - well.length,
    believed,
    suspicions,
    nodeHours: (pool.length * trouble.ms) / 3_600_000,
  }
}

function nameIn(rumour: string): string {
  return rumour.slice(0, rumour.indexOf(' '))
}
