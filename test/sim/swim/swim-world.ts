/**
 * Many members in one thread: virtual time, a network that loses, delays and splits, crashes and restarts.
 *
 * After each turn of a member what may never happen is asserted (gossip.md 16): packets within the budget, health
 * within its range, and what swim-invariants.ts knows.
 */

import assert from 'node:assert/strict'
import { type Rng, seededRng } from '../../../core/rng.ts'
import type { Members } from '../../../core/swim/member-table.ts'
import { encodeStreamMessage } from '../../../core/swim/stream-codec.ts'
import { SwimCore } from '../../../core/swim/swim-core.ts'
import { encodeTags } from '../../../core/swim/tags.ts'
import { type GossipTiming, LAN_TIMING } from '../../../core/swim/timing.ts'
import type {
  ExchangeOutcome,
  JoinOutcome,
  MemberChange,
  MemberFacts,
  MemberView,
  NodeAddress,
  SwimEffect,
  SwimInput,
} from '../../../core/swim/types.ts'
import { PROTOCOL_VERSIONS } from '../../../core/swim/types.ts'
import { type Instant, instant } from '../../../core/time.ts'
import { EventQueue } from '../raft/event-queue.ts'
import { SettledMembers, SharedTable } from './shared-table.ts'
import { addressAt, SimMember } from './sim-member.ts'
import { SwimInvariants } from './swim-invariants.ts'

export const PACKET_BYTES_MAX = 1393
const RESEND_MS = 1000

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

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export class SwimWorld {
  readonly members = new Map<string, SimMember>()
  readonly events: WorldEvent[] = []
  /** Shared by all members. */
  readonly timing: Writable<GossipTiming>
  loss: number
  /** Share of short exchanges over streams that fail, because one of their segments was lost. */
  streamLoss = 0
  readonly #delayMs: number
  readonly #queue = new EventQueue()
  readonly #rng: Rng
  readonly #byAddress = new Map<string, SimMember>()
  /** Names to sides; members of different sides do not hear each other. */
  #sides = new Map<string, number>()
  readonly #cuts = new Set<string>()
  #callId = 0
  /** Whether to keep `events` and to look at whole tables after each turn; off for the large runs. */
  keepsEvents = true
  checksAll = true
  /** Of packets between two members, one way and on top of the delay of all, in ms. */
  distanceMs: (a: SimMember, b: SimMember) => number = () => 0
  /** Hears of each effect of each member, before it is performed. */
  onEffect: (member: SimMember, effect: SwimEffect) => void = () => {}
  readonly #invariants = new SwimInvariants()

  constructor(options: WorldOptions) {
    this.timing = { ...(options.timing ?? LAN_TIMING) }
    this.loss = options.loss ?? 0
    this.#delayMs = options.delayMs ?? 1
    this.#rng = seededRng(options.seed)
  }

  get now(): Instant {
    return instant(this.#queue.now / 1000)
  }

  /** A member that knows only itself. */
  add(name: string): SimMember {
    const member = this.addNamesake(name, `id-${name}`)
    this.members.set(name, member)
    return member
  }

  /** A host of its own with a name that may be in use; not counted among the members. */
  addNamesake(name: string, id: string): SimMember {
    const address = addressAt(this.#byAddress.size + 1)
    const core = this.#coreOf(name, id, address, { incarnation: 1, eventTime: 0 })
    const member = new SimMember(name, id, address, core)
    this.#byAddress.set(address.address, member)
    this.#turn(member, { kind: 'wake' })
    return member
  }

  /** `count` members `m0`, `m1`, … who know only themselves. */
  addMany(count: number): SimMember[] {
    return Array.from({ length: count }, (_, i) => this.add(`m${i}`))
  }

  /** As many, all joined at once at the first, run until all see all. */
  addPool(count: number, limitMs = 60_000): SimMember[] {
    const members = this.addMany(count)
    const first = members[0]
    for (const member of members.slice(1)) if (first !== undefined) void this.join(member, first)
    this.runUntil(() => this.isWhole, limitMs)
    return members
  }

  /** As many who have known each other for long: each is handed the whole table as the answer to a join. */
  addSettledPool(count: number): SimMember[] {
    const members = this.addMany(count)
    const rows = members.map(({ core }) => {
      const { name, id, address, port, tags, incarnation, state } = core.self()
      const meta = encodeTags(tags)
      const versions = PROTOCOL_VERSIONS
      const facts = { name, id, address, port, meta, versions, incarnation, state }
      return { ...facts, statusTime: 0, hasLeft: false, isFresh: false }
    })
    const clocks = { lamportTime: 1, eventTime: 1, queryTime: 1 }
    const eventDigest = { high: 0, low: 0 }
    const header = { kind: 'state', from: 'seed', ...clocks, eventDigest, isJoin: false } as const
    const bytes = encodeStreamMessage({ ...header, rows, events: [] })
    for (const { core, address } of members) {
      const call = core.handle(this.now, { kind: 'join', id: 1, to: address })
      const exchange = call.find((effect) => effect.kind === 'exchange')
      assert.ok(exchange !== undefined)
      const { id } = exchange
      core.handle(this.now, { kind: 'exchanged', id, outcome: { kind: 'reply', bytes } })
    }
    for (const member of members) this.#scheduleWake(member)
    this.#quiet(members)
    return members
  }

  #quiet(members: readonly SimMember[]): void {
    // Each has said that it is there; that need not be repeated as often as news is.
    const { retransmitMult } = this.timing
    this.timing.retransmitMult = 1
    this.runUntil(() => members.every((member) => member.core.queueLength === 0), 60_000)
    this.timing.retransmitMult = retransmitMult
  }

  /** The same for pools of thousands: what all know is kept once. */
  addLargePool(count: number): SimMember[] {
    const at = instant(0)
    const settled = new SettledMembers(
      Array.from({ length: count }, (_, i) => this.#factsOf(`m${i}`, i + 1)),
      at,
    )
    const members = Array.from({ length: count }, (_, i) => this.#addTo(settled, `m${i}`))
    this.#quiet(members)
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
    options: {
      readonly incarnation?: number
      readonly id?: string
      /** What the file of members remembers of user events. */
      readonly eventTime?: number
    } = {},
  ): void {
    const id = options.id ?? member.id
    const { incarnation = 1, eventTime = 0 } = options
    member.core = this.#coreOf(member.name, id, member.address, { incarnation, eventTime })
    member.seen.clear()
    member.isRunning = true
    member.hasLeft = false
    member.wakeScheduledFor = null
    this.#turn(member, { kind: 'wake' })
  }

  /** The whole process stands still. */
  pause(member: SimMember, ms: number): void {
    member.pausedUntil = this.now + ms
  }

  /** Its messages are held back, in and out, while its timers run. */
  hold(member: SimMember, ms: number): void {
    member.heldUntil = this.now + ms
  }

  /** Splits the network: members of different lists do not hear each other; of no list: all hear them. */
  partition(...sides: readonly (readonly SimMember[])[]): void {
    this.#sides = new Map(sides.flatMap((side, i) => side.map((m) => [m.name, i] as const)))
  }

  /** These two do not hear each other. */
  cut(a: SimMember, b: SimMember): void {
    this.#cuts.add(`${a.address.address} ${b.address.address}`)
    this.#cuts.add(`${b.address.address} ${a.address.address}`)
  }

  heal(): void {
    this.#sides = new Map()
    this.#cuts.clear()
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

  #addTo(settled: SettledMembers, name: string): SimMember {
    const address = addressAt(this.#byAddress.size + 1)
    const table = new SharedTable(settled, this.#rng.fork(`table/${name}`))
    const core = this.#coreOf(name, `id-${name}`, address, { incarnation: 1, eventTime: 0 }, table)
    const member = new SimMember(name, `id-${name}`, address, core)
    this.#byAddress.set(address.address, member)
    this.members.set(name, member)
    this.#turn(member, { kind: 'wake' })
    return member
  }

  #factsOf(name: string, index: number): MemberFacts {
    const id = `id-${name}`
    return { name, id, ...addressAt(index), meta: metaOf(id), versions: PROTOCOL_VERSIONS }
  }

  #coreOf(
    name: string,
    id: string,
    { address, port }: NodeAddress,
    { incarnation, eventTime }: { readonly incarnation: number; readonly eventTime: number },
    table?: Members,
  ): SwimCore {
    const { timing } = this
    const options = {
      name,
      id,
      address,
      port,
      meta: metaOf(id),
      timing,
      packetBytesMax: PACKET_BYTES_MAX,
      incarnation,
      lamportTime: 0,
      eventTime,
      queryTime: 0,
      catchesUp: eventTime > 0,
      hasCoordinate: true,
      allowedNetworks: null,
    }
    return new SwimCore(options, this.#rng.fork(`${name}/${this.#rng.u32()}`), this.now, table)
  }

  #turn(member: SimMember, input: SwimInput): void {
    if (!member.isRunning) return
    const { core } = member
    const isMessage = input.kind === 'packet' || input.kind === 'exchanged'
    const waitsUntil = Math.max(member.pausedUntil, isMessage ? member.heldUntil : 0)
    if (waitsUntil > this.now) {
      // What comes meanwhile waits in the sockets.
      this.#queue.after(Math.ceil((waitsUntil - this.now) * 1000) + 1, () => {
        if (member.core === core) this.#turn(member, input)
      })
      return
    }
    const before = core.self().incarnation
    const effects = core.handle(this.now, input)
    assert.ok(core.healthScore >= 0 && core.healthScore < this.timing.awarenessMaxMultiplier, 'G8')
    if (this.checksAll) {
      if (input.kind === 'packet') this.#invariants.checkDefence(member, before, input.bytes)
      this.#invariants.checkTable(member)
    }
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
    this.onEffect(member, effect)
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
      case 'query':
        member.note(effect)
        this.#queue.after(0, () => {
          this.#turn(member, { kind: 'answer', ref: effect.ref, payload: new Uint8Array(1) })
        })
        return
      case 'query-answer':
      case 'query-closed':
      case 'user-event':
        member.note(effect)
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
    const heldMs = Math.max(0, member.heldUntil - this.now)
    const delay = this.#delay() + 1000 * (this.distanceMs(member, target) + heldMs)
    this.#queue.after(delay, () => {
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
    // Resending takes about a second: longer exchanges get through.
    const isLost = timeoutMs < RESEND_MS && this.#rng.float() < this.streamLoss
    const isCutShort = isLost || member.heldUntil - this.now > timeoutMs
    if (target === undefined || isCutShort || !this.#canReach(member, target)) {
      fail()
      return
    }
    member.bytesSent += effect.bytes.length + 200
    this.#queue.after(3 * this.#delay(), () => {
      const isAway = !target.isRunning || Math.max(target.pausedUntil, target.heldUntil) > this.now
      if (isAway || !this.#canReach(member, target)) {
        fail()
        return
      }
      const request = { kind: 'request', id: 1, from: member.address, bytes: effect.bytes } as const
      const effects = target.core.handle(this.now, request)
      if (this.checksAll) this.#invariants.checkTable(target)
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
    if (this.#cuts.has(`${a.address.address} ${b.address.address}`)) return false
    const x = this.#sides.get(a.name)
    const y = this.#sides.get(b.name)
    return x === undefined || y === undefined || x === y
  }

  /** Virtual microseconds, exponentially distributed above a tenth of the mean. */
  #delay(): number {
    return 1000 * this.#delayMs * (0.1 - 0.9 * Math.log(1 - this.#rng.float()))
  }
}

function metaOf(id: string): Uint8Array {
  return encodeTags({ id, role: 'node' })
}
