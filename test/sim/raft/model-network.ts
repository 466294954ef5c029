/**
 * The network of the simulator (verification 6): for each ordered pair and stream a link of its own.
 *
 * A link can be cut, clogged, slow, lossy in bursts, or broken with all that is under way on it. Streams are
 * ordered unless the run says otherwise. Old messages lie in a museum and may come back. Images travel on a
 * stream of their own, which loses nothing but breaks.
 */

import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { Rng } from '../../../core/rng.ts'
import type { Counters } from './counters.ts'
import type { EventQueue } from './event-queue.ts'
import type { NetworkProfile } from './swarm.ts'

/** Heartbeats and votes never wait behind appends; images never hold up either. */
export type StreamName = 'append' | 'heartbeat' | 'image'

/** What image-transfer.ts sends; opaque to the network. */
export interface ImagePacket {
  readonly from: string
  readonly to: string
  readonly bytes: number
  readonly deliver: () => void
}

export interface NetworkDeps {
  readonly events: EventQueue
  readonly rng: Rng
  readonly counters: Counters
  readonly deliver: (message: RaftMessage) => void
  /** The stream from `from` to `to` broke: both hosts notice. */
  readonly unreachable: (from: string, to: string) => void
}

interface Link {
  cut: boolean
  clogUntil: number
  /** Time at which the last message arrives, for order. */
  lastAt: number
  /** What was sent under an earlier number never arrives. */
  epoch: number
  isBad: boolean
  /** What is sent now arrives so much later. */
  lag: number
}

const MUSEUM_MAX = 400
const IMAGE_BYTES_PER_US = 10

export class ModelNetwork {
  readonly #deps: NetworkDeps
  #profile: NetworkProfile
  readonly #links = new Map<string, Link>()
  readonly #museum: RaftMessage[] = []
  #isCalm = false
  #disturbedUntil = 0
  sent = 0

  constructor(profile: NetworkProfile, deps: NetworkDeps) {
    this.#profile = profile
    this.#deps = deps
  }

  send(message: RaftMessage): void {
    this.sent++
    const profile = this.#profile
    if (profile.replay > 0) this.#exhibit(message)
    const stream = streamOf(message)
    const link = this.#link(message.from, message.to, stream)
    if (this.#isLost(link)) return
    this.#travel(this.#corrupted(message), link)
    if (!this.#chance(profile.duplication)) return
    const copies = this.#deps.rng.range(1, 4)
    for (let i = 0; i < copies; i++) this.#travel(message, link)
    this.#deps.counters.add('fault.network.duplicate', copies)
  }

  sendImage(packet: ImagePacket): void {
    const link = this.#link(packet.from, packet.to, 'image')
    if (link.cut) return
    const { epoch } = link
    const at = Math.max(link.lastAt, this.#arrival(link)) + packet.bytes / IMAGE_BYTES_PER_US
    link.lastAt = at
    this.#deps.events.after(at - this.#deps.events.now, () => {
      if (link.cut || link.epoch !== epoch) return
      packet.deliver()
    })
  }

  cut(from: string, to: string, stream?: StreamName): void {
    for (const link of this.#some(from, to, stream)) link.cut = true
  }

  mend(from: string, to: string): void {
    for (const link of this.#some(from, to)) link.cut = false
  }

  isCut(from: string, to: string): boolean {
    return this.#link(from, to, 'append').cut || this.#link(from, to, 'heartbeat').cut
  }

  /** Nothing arrives for a while, then everything at once. */
  clog(from: string, to: string, duration: number): void {
    for (const link of this.#some(from, to)) link.clogUntil = this.#deps.events.now + duration
  }

  lag(from: string, to: string, extra: number): void {
    for (const link of this.#some(from, to)) link.lag = extra
  }

  /** All in flight both ways is lost, and both ends are told. */
  breakStream(from: string, to: string): void {
    for (const link of [...this.#some(from, to), ...this.#some(to, from)]) link.epoch++
    this.#deps.unreachable(from, to)
    this.#deps.unreachable(to, from)
  }

  heal(): void {
    for (const link of this.#links.values()) {
      link.cut = false
      link.clogUntil = 0
      link.lastAt = 0
    }
  }

  /** No faults from here on, and no delay near the election timeout. */
  calm(electionUs: number): void {
    this.heal()
    for (const link of this.#links.values()) link.lag = 0
    this.#isCalm = true
    this.#profile = {
      ...this.#profile,
      delayMin: Math.min(this.#profile.delayMin, electionUs / 20),
      delayMean: Math.min(this.#profile.delayMean, electionUs / 20),
      loss: 0,
      burst: null,
      duplication: 0,
      replay: 0,
      corruption: 0,
      hasHeavyTail: false,
    }
  }

  /** Until then messages of the time before `calm` may arrive, in us of virtual time. */
  get disturbedUntil(): number {
    return this.#disturbedUntil
  }

  #travel(message: RaftMessage, link: Link): void {
    let at = this.#arrival(link)
    if (!this.#profile.reorders) {
      at = Math.max(at, link.lastAt)
      link.lastAt = at
    }
    if (!this.#isCalm) this.#disturbedUntil = Math.max(this.#disturbedUntil, at)
    const { epoch } = link
    this.#deps.events.after(at - this.#deps.events.now, () => {
      if (link.cut || link.epoch !== epoch) {
        this.#deps.counters.add('fault.network.cut')
        return
      }
      this.#deps.deliver(message)
    })
  }

  #arrival(link: Link): number {
    const { rng, events } = this.#deps
    const { delayMin, delayMean, hasHeavyTail } = this.#profile
    // Two uniform draws are tail enough; no logarithm, whose bits may differ by engine.
    let delay = link.lag + delayMin + 2 * delayMean * rng.float()
    if (!this.#isCalm && this.#chance(0.05)) delay += 14 * delayMean * rng.float()
    if (hasHeavyTail && this.#chance(0.01)) {
      const u = rng.float() + 0.001
      delay += Math.min(60_000_000, (delayMean + 1_000) / (u * u))
    }
    if (link.clogUntil > events.now) this.#deps.counters.add('fault.network.clog')
    return Math.max(events.now + Math.round(delay), link.clogUntil)
  }

  #isLost(link: Link): boolean {
    const { counters } = this.#deps
    const { loss, burst } = this.#profile
    if (link.cut) {
      counters.add('fault.network.cut')
      return true
    }
    if (burst !== null) {
      if (this.#chance(link.isBad ? burst.toGood : burst.toBad)) link.isBad = !link.isBad
      if (link.isBad && this.#chance(burst.loss)) {
        counters.add('fault.network.burst-loss')
        return true
      }
    }
    if (!this.#chance(loss)) return false
    counters.add('fault.network.loss')
    return true
  }

  /** The same message, or a copy in which one bit of one entry is another. */
  #corrupted(message: RaftMessage): RaftMessage {
    if (message.kind !== 'append' || !this.#chance(this.#profile.corruption)) return message
    const { rng, counters } = this.#deps
    const at = rng.range(0, message.entries.length)
    const entry = message.entries[at]
    if (entry === undefined || entry.data.length === 0) return message
    counters.add('fault.network.corruption')
    const data = entry.data.slice()
    const byte = rng.range(0, data.length)
    data[byte] = (data[byte] ?? 0) ^ (1 << rng.range(0, 8))
    return { ...message, entries: message.entries.with(at, { ...entry, data }) }
  }

  #exhibit(message: RaftMessage): void {
    const { rng } = this.#deps
    if (this.#museum.length < MUSEUM_MAX) this.#museum.push(message)
    else this.#museum[rng.range(0, MUSEUM_MAX)] = message
    if (!this.#chance(this.#profile.replay)) return
    const old = rng.pick(this.#museum)
    if (old === undefined) return
    this.#deps.counters.add('fault.network.replay')
    this.#travel(old, this.#link(old.from, old.to, streamOf(old)))
  }

  #some(from: string, to: string, stream?: StreamName): Link[] {
    const names: readonly StreamName[] =
      stream === undefined ? ['append', 'heartbeat', 'image'] : [stream]
    return names.map((name) => this.#link(from, to, name))
  }

  #link(from: string, to: string, stream: StreamName): Link {
    const key = `${from}>${to}/${stream}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link: Link = { cut: false, clogUntil: 0, lastAt: 0, epoch: 0, isBad: false, lag: 0 }
    this.#links.set(key, link)
    return link
  }

  #chance(p: number): boolean {
    return p > 0 && this.#deps.rng.float() < p
  }
}

function streamOf(message: RaftMessage): StreamName {
  switch (message.kind) {
    case 'append':
    case 'append-ack':
    case 'append-reject':
      return 'append'
    case 'heartbeat':
    case 'heartbeat-ack':
    case 'pre-vote':
    case 'vote':
    case 'pre-vote-reply':
    case 'vote-reply':
    case 'timeout-now':
    case 'read-request':
    case 'read-reply':
      return 'heartbeat'
    case 'snapshot-offer':
      return 'image'
  }
}
