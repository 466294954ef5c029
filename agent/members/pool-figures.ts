/**
 * The figures of a gossip pool: as metrics, and as the texts of `serf_lan` in /v1/agent/self.
 *
 * What the core and the sockets count themselves is read before it is shown, so that the way of a packet costs nothing
 * more. Guarantees: after `stop` nothing is read. Labels: reasons of refusal and states of members, both few.
 */

import type { StringMap } from '../../core/catalog/types.ts'
import { GOSSIP_METRICS } from '../../core/metrics/catalogue/gossip.ts'
import type { Counter } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { SwimCore } from '../../core/swim/swim-core.ts'
import { type MemberChange, SWIM_STATES, type SwimCounters } from '../../core/swim/types.ts'
import type { GossipTransport } from '../../runtime/gossip/gossip-transport.ts'

/** What is counted elsewhere. */
export interface PoolSources {
  readonly core: SwimCore
  readonly transport: GossipTransport
}

export class PoolFigures {
  readonly #metrics: Metrics
  readonly #changes: Readonly<Record<MemberChange, Counter | undefined>>
  readonly #events: Counter
  /** Totals that were told already. */
  readonly #told = new Map<Counter, number>()
  readonly #stop: () => void

  /** @param sources null until the pool has started */
  constructor(metrics: Metrics, sources: () => PoolSources | null) {
    this.#metrics = metrics
    this.#changes = {
      join: metrics.counter(GOSSIP_METRICS.memberJoin),
      update: metrics.counter(GOSSIP_METRICS.memberUpdate),
      leaving: undefined,
      leave: metrics.counter(GOSSIP_METRICS.memberLeft),
      fail: metrics.counter(GOSSIP_METRICS.memberFailed),
      reap: metrics.counter(GOSSIP_METRICS.memberReap),
    }
    this.#events = metrics.counter(GOSSIP_METRICS.events)
    this.#stop = metrics.onRead(() => {
      const found = sources()
      if (found !== null) this.#read(found)
    })
  }

  noteMember(change: MemberChange): void {
    this.#changes[change]?.increment()
  }

  noteEvent(): void {
    this.#events.increment()
  }

  stop(): void {
    this.#stop()
  }

  #read({ core, transport }: PoolSources): void {
    const { counters, queueLengths } = core
    for (const [of, definition] of CORE_COUNTERS) {
      this.#upTo(this.#metrics.counter(definition), counters[of])
    }
    const { packetCounters: packets } = transport
    const metrics = this.#metrics
    this.#upTo(metrics.counter(GOSSIP_METRICS.packetsSent), packets.sent)
    this.#upTo(metrics.counter(GOSSIP_METRICS.packetsReceived), packets.received)
    this.#upTo(metrics.counter(GOSSIP_METRICS.packetsUnsent), packets.failed)
    this.#upTo(metrics.counter(GOSSIP_METRICS.udpSent), packets.bytesSent)
    this.#upTo(metrics.counter(GOSSIP_METRICS.udpReceived), packets.bytesReceived)
    this.#upTo(metrics.counter(GOSSIP_METRICS.streamsRefused), transport.streamsRefused)
    for (const [reason, count] of transport.refusals) {
      this.#upTo(metrics.counter(GOSSIP_METRICS.refused, { reason }), count)
    }
    metrics.gauge(GOSSIP_METRICS.healthScore).set(core.healthScore)
    metrics.sample(GOSSIP_METRICS.updateQueue).record(queueLengths.updates)
    metrics.sample(GOSSIP_METRICS.intentQueue).record(queueLengths.intents)
    metrics.sample(GOSSIP_METRICS.queryQueue).record(queueLengths.queries)
    metrics.sample(GOSSIP_METRICS.eventQueue).record(queueLengths.events)
    const states = core.stateCounts()
    for (const state of SWIM_STATES) {
      metrics.gauge(GOSSIP_METRICS.instances, { node_state: state }).set(states[state])
    }
  }

  #upTo(counter: Counter, total: number): void {
    const before = this.#told.get(counter) ?? 0
    if (total === before) return
    counter.add(total - before)
    this.#told.set(counter, total)
  }
}

const CORE_COUNTERS = [
  ['packetsMalformed', GOSSIP_METRICS.malformed],
  ['partsUnknown', GOSSIP_METRICS.unknown],
  ['broadcastsDropped', GOSSIP_METRICS.broadcastsDropped],
  ['probesFailed', GOSSIP_METRICS.probesFailed],
  ['refutations', GOSSIP_METRICS.refutations],
  ['conflicts', GOSSIP_METRICS.conflicts],
  ['addressesRefused', GOSSIP_METRICS.addressesRefused],
  ['exchangesRefused', GOSSIP_METRICS.exchangesRefused],
  ['intentsDropped', GOSSIP_METRICS.intentsDropped],
  ['accusationsIgnored', GOSSIP_METRICS.accusationsIgnored],
  ['coordinatesRefused', GOSSIP_METRICS.coordinatesRefused],
  ['eventsTooOld', GOSSIP_METRICS.eventsTooOld],
  ['answersDropped', GOSSIP_METRICS.answersDropped],
  ['flaps', GOSSIP_METRICS.memberFlap],
  ['aliveHeard', GOSSIP_METRICS.alive],
  ['suspectHeard', GOSSIP_METRICS.suspect],
  ['deadHeard', GOSSIP_METRICS.dead],
] as const satisfies readonly (readonly [keyof SwimCounters, unknown])[]

/** Names as Consul has them, and what was refused by reason. */
export function statsOf({ core, transport }: PoolSources): StringMap {
  const { counters } = core
  const numbers = {
    conflicts: counters.conflicts,
    health_score: core.healthScore,
    intent_queue: core.queueLengths.intents,
    event_queue: core.queueLengths.events,
    query_queue: core.queueLengths.queries,
    member_time: core.lamportTime,
    packets_malformed: counters.packetsMalformed,
    packets_received: transport.packetCounters.received,
    packets_sent: transport.packetCounters.sent,
    probes_failed: counters.probesFailed,
    refutations: counters.refutations,
    streams_refused: transport.streamsRefused,
    ...Object.fromEntries(
      Array.from(transport.refusals, ([reason, count]) => [`refused_${reason}`, count]),
    ),
  }
  const texts = Object.entries(numbers).map(([name, value]) => [name, String(value)] as const)
  return Object.fromEntries(texts)
}
