/**
 * The failure detector: one member after another is asked whether it lives (SWIM, Lifeguard; gossip.md 4, 6).
 *
 * A probe: a ping; without an ack in time others are asked to ping, and a stream is tried; without any ack by the end of
 * the interval the member is suspected. The interval grows with this member's own ill health.
 * A probe that this host could not send has no verdict. Guarantees: one probe at a time; an ack counts only for the probe whose number it carries.
 * Bounds: RELAYS_MAX pings on behalf of others at a time; more are not done, and not answered.
 */

import { type Instant, instant } from '../time.ts'
import type { MemberRules } from './member-rules.ts'
import type { MemberRecord } from './member-table.ts'
import type { AckMessage, IndirectPingMessage, NackMessage, PacketMessage } from './messages.ts'
import type { Pool } from './pool.ts'
import type { SwimTimer } from './timer-queue.ts'
import type { NodeAddress } from './types.ts'

const RELAYS_MAX = 1024
const NO_PAYLOAD = new Uint8Array(0)

interface Probe {
  readonly target: MemberRecord
  readonly seq: number
  readonly sentAt: Instant
  readonly deadline: Instant
  readonly timeout: SwimTimer
  nacksExpected: number
  nacksReceived: number
  /** Over a stream it answered. */
  answersTcp: boolean
  /** Others were asked to ping. */
  hasAsked: boolean
}

interface Relay {
  readonly requester: NodeAddress
  readonly seq: number
  readonly timer: SwimTimer
}

export interface ProberDeps {
  readonly rules: MemberRules
  /** Pings over a stream; `onAnswer` is called if there is an answer, at whatever time. */
  readonly pingOverStream: (target: MemberRecord, deadline: Instant, onAnswer: () => void) => void
  /** The target's ack came in a packet, with something in it: it is no other's on its behalf. */
  readonly onRoundTrip: (target: MemberRecord, rttMs: number, payload: Uint8Array) => void
}

export class Prober {
  readonly #pool: Pool
  readonly #deps: ProberDeps
  readonly #relays = new Map<number, Relay>()
  #probe: Probe | null = null
  #isArmed = false

  constructor(pool: Pool, deps: ProberDeps) {
    this.#pool = pool
    this.#deps = deps
  }

  /** There may be somebody to probe: begins with a random delay, unless it is going on already. */
  begin(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    const { rng, timing } = this.#pool
    this.#pool.after(rng.float() * timing.probeIntervalMs, () => this.#tick())
  }

  onAck(ack: AckMessage): void {
    const probe = this.#probe
    if (probe !== null && probe.seq === ack.seq) {
      const { target, sentAt } = probe
      if (ack.payload.length > 0) {
        this.#deps.onRoundTrip(target, this.#pool.now - sentAt, ack.payload)
      }
      this.#succeed(probe)
      return
    }
    const relay = this.#takeRelay(ack.seq)
    if (relay === undefined) return
    this.#pool.send(relay.requester, [{ kind: 'ack', seq: relay.seq, payload: NO_PAYLOAD }])
  }

  onNack(nack: NackMessage): void {
    const probe = this.#probe
    if (probe === null || probe.seq !== nack.seq) return
    probe.nacksReceived = Math.min(probe.nacksExpected, probe.nacksReceived + 1)
  }

  /** Who cannot even send learns nothing of others; where the way ends at the other, more need not be waited for. */
  onUnsendable({ address, port }: NodeAddress, isOurs: boolean): void {
    const probe = this.#probe
    if (probe === null || probe.target.address !== address || probe.target.port !== port) return
    probe.timeout.cancel()
    if (!isOurs) {
      this.#askOthers(probe)
      return
    }
    this.#probe = null
    this.#pool.health.change(1)
  }

  /** Another could not reach a member and asks this one to try. */
  onIndirectPing(message: IndirectPingMessage, from: NodeAddress): void {
    const { table, timing } = this.#pool
    // Only members are pinged for others, or this would be a way to send packets to anybody.
    if (table.get(message.target) === undefined || this.#relays.size >= RELAYS_MAX) return
    const seq = this.#pool.nextSeq()
    const timer = this.#pool.after(timing.probeTimeoutMs, () => {
      this.#relays.delete(seq)
      if (message.wantsNack) this.#pool.send(from, [{ kind: 'nack', seq: message.seq }])
    })
    this.#relays.set(seq, { requester: from, seq: message.seq, timer })
    this.#pool.send(message, [{ kind: 'ping', seq, target: message.target }])
  }

  #tick(): void {
    const { table, health, timing, timers, now } = this.#pool
    if (this.#probe !== null) this.#conclude(this.#probe)
    const target = table.nextToProbe(this.#pool.self)
    if (target === null) {
      this.#isArmed = false // begun again when a member comes
      return
    }
    const deadline = instant(now + timing.probeIntervalMs * (health.score + 1))
    timers.at(deadline, () => this.#tick())
    const seq = this.#pool.nextSeq()
    const probe: Probe = {
      target,
      seq,
      sentAt: now,
      deadline,
      timeout: this.#pool.after(timing.probeTimeoutMs, () => this.#askOthers(probe)),
      nacksExpected: 0,
      nacksReceived: 0,
      answersTcp: false,
      hasAsked: false,
    }
    this.#probe = probe
    this.#pool.send(target, this.#pingOf(probe))
  }

  /** A suspected member is told so, that it can object (the buddy system). */
  #pingOf({ target, seq }: Probe): PacketMessage[] {
    const { name, incarnation } = target
    const ping: PacketMessage = { kind: 'ping', seq, target: name }
    if (target.state !== 'suspect') return [ping]
    return [ping, { kind: 'suspect', name, incarnation, from: this.#pool.self.name }]
  }

  #askOthers(probe: Probe): void {
    if (probe.hasAsked) return
    probe.hasAsked = true
    const { table, timing, self } = this.#pool
    const { target, seq } = probe
    const helpers = table.random(
      timing.indirectChecks,
      (record) => record.state === 'alive' && record !== self && record !== target,
    )
    probe.nacksExpected = helpers.length
    const { name, address, port } = target
    for (const helper of helpers) {
      this.#pool.send(helper, [
        { kind: 'indirect-ping', seq, target: name, address, port, wantsNack: true },
      ])
    }
    this.#deps.pingOverStream(target, probe.deadline, () => {
      probe.answersTcp = true
    })
  }

  #succeed(probe: Probe): void {
    probe.timeout.cancel()
    this.#probe = null
    this.#pool.health.change(-1)
  }

  /** The time of a probe is over without an ack. */
  #conclude(probe: Probe): void {
    if (probe.answersTcp) {
      this.#pool.notice({ kind: 'udp-blocked', name: probe.target.name })
      this.#succeed(probe)
      return
    }
    this.#probe = null
    const { counters, health } = this.#pool
    counters.probesFailed++
    // Helpers that do not even say "no answer" hint at our own trouble.
    const missing = probe.nacksExpected - probe.nacksReceived
    health.change(probe.nacksExpected > 0 ? missing : 1)
    if (probe.target.isLive) this.#deps.rules.onProbeFailed(probe.target)
  }

  #takeRelay(seq: number): Relay | undefined {
    const relay = this.#relays.get(seq)
    relay?.timer.cancel()
    this.#relays.delete(seq)
    return relay
  }
}
