/**
 * Many members in one thread: virtual time, a network that loses, delays and splits, crashes and restarts.
 *
 * After each turn of a member what may never happen is asserted (gossip.md 16): packets within the budget, health
 * within its range, states that only move forward, no accusation that outlives a turn undefended.
 */

import assert from 'node:assert/strict'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { SwimCore } from '../../../core/swim/swim-core.ts'
import { encodeTags } from '../../../core/swim/tags.ts'
import { type GossipTiming, LAN_TIMING } from '../../../core/swim/timing.ts'
import type {
  ExchangeOutcome,
  JoinOutcome,
  MemberChange,
  MemberView,
  NodeAddress,
  SwimEffect,
  SwimInput,
} from '../../../core/swim/types.ts'
import { type Instant, instant } from '../../../core/time.ts'
import { EventQueue } from '../raft/event-queue.ts'

export const PACKET_BYTES_MAX = 1393

export interface WorldOptions {
  readonly seed: number
  readonly timing?: GossipTiming
  /** Share of packets that vanish. */
  readonly loss?: number
  /** Mean delay one way, in ms. */
  readonly delayMs?: number
}

export interface WorldEvent {
  readonly at: number
  readonly observer: string
  readonly change: MemberChange
  readonly name: string
}

export class SimMember {
  readonly name: string
  readonly address: NodeAddress
  readonly id: string
  core: SwimCore
  isRunning = true
  /** Until then it handles nothing: stopped, or too busy. */
  pausedUntil = 0
  wakeScheduledFor: number | null = null
  hasLeft = false
  readonly joins = new Map<number, (outcome: JoinOutcome) => void>()
  /** Highest (incarnation, rank) seen of each member, for G2; cleared when it is reaped or forgotten. */
  bytesSent = 0
  packetsSent = 0

  constructor(name: string, id: string, address: NodeAddress, core: SwimCore) {
    this.name = name
    this.id = id
    this.address = address
    this.core = core
  }
}

export class SwimWorld {
  readonly members = new Map<string, SimMember>()
  readonly events: WorldEvent[] = []
  readonly timing: GossipTiming
  loss: number
  readonly #delayMs: number
  readonly #queue = new EventQueue()
  readonly #rng: Rng
  readonly #byAddress = new Map<string, SimMember>()
  /** Names to sides; members of different sides do not hear each other. */
  #sides = new Map<string, number>()
  #callId = 0
  /** Whether to keep `events`; off for the large runs. */
  keepsEvents = true

  constructor(options: WorldOptions) {
    this.timing = options.timing ?? LAN_TIMING
    this.loss = options.loss ?? 0
    this.#delayMs = options.delayMs ?? 1
    this.#rng = seededRng(options.seed)
  }

  get now(): Instant {
    return instant(this.#queue.now / 1000)
  }

  /** A member that knows only itself. */
  add(
    name: string,
    options: { readonly id?: string; readonly incarnation?: number } = {},
  ): SimMember {
    const index = this.#byAddress.size + 1
    const address = {
      address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
      port: 8301,
    }
    const id = options.id ?? `id-${name}`
    const core = this.#coreOf(name, id, address, options.incarnation ?? 1)
    const member = new SimMember(name, id, address, core)
    this.members.set(name, member)
    this.#byAddress.set(address.address, member)
    this.#turn(member, { kind: 'wake' })
    return member
  }

  /** `count` members `m0`, `m1`, …, each joined by the first when `joined`. */
  async addMany(count: number): Promise<SimMember[]> {
    const members: SimMember[] = []
    for (let i = 0; i < count; i++) members.push(this.add(`m${i}`))
    return members
  }

  join(member: SimMember, to: SimMember): Promise<JoinOutcome> {
    const id = ++this.#callId
    const { promise, resolve } = Promise.withResolvers<JoinOutcome>()
    member.joins.set(id, resolve)
    this.#turn(member, { kind: 'join', id, to: to.address })
    return promise
  }

  input(member: SimMember, input: SwimInput): void {
    this.#turn(member, input)
  }

  crash(member: SimMember): void {
    member.isRunning = false
  }

  /** A new run at the old address, which knows only its incarnation, if that. */
  restart(
    member: SimMember,
    options: { readonly incarnation?: number; readonly id?: string } = {},
  ): void {
    const id = options.id ?? member.id
    member.core = this.#coreOf(member.name, id, member.address, options.incarnation ?? 1)
    member.isRunning = true
    member.hasLeft = false
    member.wakeScheduledFor = null
    this.#turn(member, { kind: 'wake' })
  }

  pause(member: SimMember, ms: number): void {
    member.pausedUntil = this.now + ms
  }

  /** Splits the network: members of different lists do not hear each other; of no list: all hear them. */
  partition(...sides: readonly (readonly SimMember[])[]): void {
    this.#sides = new Map(sides.flatMap((side, i) => side.map((m) => [m.name, i] as const)))
  }

  heal(): void {
    this.#sides = new Map()
  }

  /** Runs for `ms` of virtual time. */
  run(ms: number): void {
    const until = this.#queue.now + ms * 1000
    this.#queue.after(ms * 1000, () => {})
    while (this.#queue.now < until) this.#queue.step()
  }

  /** Runs until `condition`, looked at every `stepMs`. @returns ms that passed; fails after `limitMs` */
  runUntil(condition: () => boolean, limitMs: number, stepMs = 50): number {
    const start = this.now
    while (!condition()) {
      assert.ok(this.now - start < limitMs, `not after ${limitMs} ms`)
      this.run(stepMs)
    }
    return this.now - start
  }

  running(): SimMember[] {
    return [...this.members.values()].filter((member) => member.isRunning && !member.hasLeft)
  }

  view(observer: SimMember, of: SimMember | string): MemberView | undefined {
    return observer.core.member(typeof of === 'string' ? of : of.name)
  }

  /** Every running member sees every running one alive. */
  get isWhole(): boolean {
    const running = this.running()
    return running.every(({ core }) => {
      const alive = core
        .members()
        .filter((view) => view.status === 'alive' && view.state === 'alive')
      return (
        alive.length === running.length &&
        running.every((m) => core.member(m.name)?.status === 'alive')
      )
    })
  }

  /** Every running member sees `subject` with this status. */
  allSee(subject: SimMember, status: MemberView['status']): boolean {
    return this.running().every(
      (m) => m === subject || m.core.member(subject.name)?.status === status,
    )
  }

  #coreOf(name: string, id: string, { address, port }: NodeAddress, incarnation: number): SwimCore {
    const meta = encodeTags({ id, role: 'node' })
    const { timing } = this
    return new SwimCore(
      {
        name,
        id,
        address,
        port,
        meta,
        timing,
        packetBytesMax: PACKET_BYTES_MAX,
        incarnation,
        lamportTime: 0,
      },
      this.#rng.fork(`${name}/${this.#rng.u32()}`),
      this.now,
    )
  }

  #turn(member: SimMember, input: SwimInput): void {
    if (!member.isRunning) return
    const { core } = member
    if (member.pausedUntil > this.now) {
      // What comes meanwhile waits in the sockets.
      this.#queue.after((member.pausedUntil - this.now) * 1000, () => {
        if (member.core === core) this.#turn(member, input)
      })
      return
    }
    const effects = core.handle(this.now, input)
    assert.ok(core.healthScore >= 0 && core.healthScore < this.timing.awarenessMaxMultiplier, 'G8')
    for (const effect of effects) this.#perform(member, effect)
    this.#scheduleWake(member)
  }

  #scheduleWake(member: SimMember): void {
    const { core } = member
    const at = core.wakeAt
    if (at === null) return
    if (member.wakeScheduledFor !== null && member.wakeScheduledFor <= at) return
    member.wakeScheduledFor = at
    this.#queue.after(Math.ceil((at - this.now) * 1000), () => {
      if (member.core !== core || member.wakeScheduledFor !== at) return
      member.wakeScheduledFor = null
      this.#turn(member, { kind: 'wake' })
    })
  }

  #perform(member: SimMember, effect: SwimEffect): void {
    switch (effect.kind) {
      case 'packet':
        this.#sendPacket(member, effect.to, effect.bytes)
        return
      case 'exchange':
        this.#exchange(member, effect)
        return
      case 'joined': {
        const resolve = member.joins.get(effect.id)
        member.joins.delete(effect.id)
        resolve?.(effect.outcome)
        return
      }
      case 'left':
        member.hasLeft = true
        member.isRunning = false
        return
      case 'member':
        if (this.keepsEvents) {
          const { change, name } = effect
          this.events.push({ at: this.now, observer: member.name, change, name })
        }
        return
      case 'reply':
        assert.fail('a reply without a request')
        return
      case 'notice':
        return
      default:
        assert.fail('unknown effect')
    }
  }

  #sendPacket(member: SimMember, to: NodeAddress, bytes: Uint8Array): void {
    assert.ok(bytes.length <= PACKET_BYTES_MAX, `G7: a packet of ${bytes.length} bytes`)
    member.bytesSent += bytes.length + 28
    member.packetsSent++
    const target = this.#byAddress.get(to.address)
    if (target === undefined || !this.#canReach(member, target)) return
    if (this.#rng.float() < this.loss) return
    this.#queue.after(this.#delay(), () => {
      if (this.#canReach(member, target))
        this.#turn(target, { kind: 'packet', from: member.address, bytes })
    })
  }

  /** Streams are not lossy: they fail as a whole when the peer is away. */
  #exchange(member: SimMember, effect: SwimEffect & { kind: 'exchange' }): void {
    const { core } = member
    const finish = (outcome: ExchangeOutcome): void => {
      if (member.core === core) this.#turn(member, { kind: 'exchanged', id: effect.id, outcome })
    }
    const target = this.#byAddress.get(effect.to.address)
    const timeoutMs = effect.deadline - this.now
    const fail = (): void => {
      this.#queue.after(timeoutMs * 1000, () => finish({ kind: 'failed', reason: 'timed out' }))
    }
    if (target === undefined || !this.#canReach(member, target)) {
      fail()
      return
    }
    member.bytesSent += effect.bytes.length + 200
    this.#queue.after(3 * this.#delay(), () => {
      const isAway = !target.isRunning || target.pausedUntil > this.now
      if (isAway || !this.#canReach(member, target)) {
        fail()
        return
      }
      const request = { kind: 'request', id: 1, from: member.address, bytes: effect.bytes } as const
      const effects = target.core.handle(this.now, request)
      const replies = effects.filter((e) => e.kind === 'reply')
      assert.equal(replies.length, 1, 'a request has one reply')
      for (const e of effects) if (e.kind !== 'reply') this.#perform(target, e)
      this.#scheduleWake(target)
      const bytes = replies[0]?.bytes ?? new Uint8Array()
      target.bytesSent += bytes.length + 200
      this.#queue.after(this.#delay(), () => finish({ kind: 'reply', bytes }))
    })
  }

  #canReach(a: SimMember, b: SimMember): boolean {
    const x = this.#sides.get(a.name)
    const y = this.#sides.get(b.name)
    return x === undefined || y === undefined || x === y
  }

  /** Virtual microseconds, exponentially distributed above a tenth of the mean. */
  #delay(): number {
    return 1000 * this.#delayMs * (0.1 - 0.9 * Math.log(1 - this.#rng.float()))
  }
}
