/**
 * The gossip pool of this host: who is there, who failed, who left (gossip.md).
 *
 * Hosts core/swim: owns its sockets, its one timer and the file of known members; performs its effects in order.
 * Has no rules of its own. Guarantees: after `stop` no timer, socket or callback of the pool runs; listeners hear of
 * each change after it is visible in `members()`, several of one turn together.
 * Bounds: those of pool-joins.ts, pool-keys.ts and pool-queries.ts.
 */

import type { CatalogNotice, NoticeBoard } from '../../core/catalog/notice.ts'
import type { StringMap } from '../../core/catalog/types.ts'
import type { Coordinate } from '../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../core/errors.ts'
import type { EventBus, GossipEvent } from '../../core/events/event-bus.ts'
import type { QueryBus } from '../../core/events/query-bus.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Member, MemberPool } from '../../core/membership.ts'
import type { GossipKey } from '../../core/swim/gossip-key.ts'
import {
  isKeyringRelay,
  isKeyringRequest,
  type KeyringRequest,
} from '../../core/swim/keyring-codec.ts'
import type { KeyringReport } from '../../core/swim/keyring-report.ts'
import { SwimCore } from '../../core/swim/swim-core.ts'
import { encodeTags } from '../../core/swim/tags.ts'
import type { MemberView, SwimEffect, SwimInput } from '../../core/swim/types.ts'
import type { Instant, Timer } from '../../core/time.ts'
import { GossipTransport } from '../../runtime/gossip/gossip-transport.ts'
import {
  MemberSnapshot,
  readMemberSnapshot,
  type SnapshotContent,
} from '../../runtime/gossip/member-snapshot.ts'
import type { StreamRequest } from '../../runtime/gossip/stream-server.ts'
import { KeyringCalls } from './keyring-calls.ts'
import { logMemberChange, logNotice } from './member-log.ts'
import { PoolEvents } from './pool-events.ts'
import { PoolFigures, statsOf } from './pool-figures.ts'
import { PoolJoins } from './pool-joins.ts'
import { PoolKeys } from './pool-keys.ts'
import { familyOf, type GossipPoolDeps, type GossipPoolOptions, sealOf } from './pool-options.ts'
import { PoolQueries } from './pool-queries.ts'

/** Of a datagram that no network splits, headers of IP and UDP not counted. */
const PACKET_SIZE_MAX = 1400
/** Incarnations that the last run may have used without noting them in time. */
const INCARNATION_RESERVE = 16

/**
 * `start` binds, then resolves; a rejoin from the snapshot goes on behind it. `stop` cuts without a goodbye: others see
 * this member fail; call `leave` before it for a goodbye.
 *
 * @throws FairleadError INVALID_CONFIG for a name or address gossip cannot carry; TOO_LARGE for the tags
 */
export function createGossipPool(
  options: GossipPoolOptions,
  deps: GossipPoolDeps,
): MemberPool & NoticeBoard & EventBus & QueryBus & Service {
  return new GossipPool(options, deps)
}

interface Running {
  readonly core: SwimCore
  readonly transport: GossipTransport
  readonly snapshot: MemberSnapshot | null
  readonly keys: PoolKeys
}

class GossipPool implements MemberPool, NoticeBoard, EventBus, QueryBus, Service {
  readonly #options: GossipPoolOptions
  readonly #deps: GossipPoolDeps
  readonly #family: 4 | 6
  readonly #listeners = new Set<(members: readonly Member[]) => void>()
  readonly #noticeListeners = new Set<(notice: CatalogNotice) => void>()
  readonly #stopping = new AbortController()
  readonly #joins: PoolJoins
  readonly #events = new PoolEvents()
  readonly #queries: PoolQueries
  readonly #figures: PoolFigures
  readonly #calls: KeyringCalls
  readonly #left = Promise.withResolvers<void>()
  #tags: StringMap
  #starting: Promise<void> | undefined
  #running: Running | null = null
  #rejoin: Promise<void> = Promise.resolve()
  #timer: Timer | null = null
  #armedFor: Instant | null = null
  /** Of the present state; null when it must be made anew. */
  #members: readonly Member[] | null = null

  constructor(options: GossipPoolOptions, deps: GossipPoolDeps) {
    this.#options = options
    this.#deps = deps
    this.#family = familyOf(options)
    this.#tags = options.tags
    encodeTags(options.tags) // refused before anything is bound
    this.#joins = new PoolJoins(this.#family, {
      log: deps.log,
      rng: deps.rng,
      signal: this.#stopping.signal,
      begin: (id, to) => this.#input({ kind: 'join', id, to }),
    })
    this.#calls = new KeyringCalls({
      clock: deps.clock,
      rng: deps.rng.fork('keyring'),
      nodeName: options.nodeName,
      timeoutMs: options.timing.tcpTimeoutMs,
      members: () => this.#started().core.members(),
      exchange: async (to, bytes, deadline) =>
        await this.#started().transport.exchange(to, bytes, { deadline, isSecret: true }),
    })
    this.#figures = new PoolFigures(deps.metrics, () => this.#running)
    this.#queries = new PoolQueries({
      log: deps.log,
      signal: this.#stopping.signal,
      input: (input) => this.#input(input),
    })
  }

  start(signal: AbortSignal): Promise<void> {
    this.#starting ??= this.#start(signal)
    return this.#starting
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopping.abort(new FairleadError('SHUTTING_DOWN', 'The gossip pool has stopped'))
    await this.#starting?.catch(() => {}) // whoever started it was told
    this.#timer?.cancel()
    this.#timer = null
    this.#figures.stop()
    const running = this.#running
    await running?.transport.close()
    await this.#rejoin
    await running?.snapshot?.close()
    this.#left.resolve()
  }

  self(): Member {
    if (this.#running !== null) return memberOf(this.#running.core.self())
    const { nodeName: name, advertiseAddress: address, port } = this.#options
    return { name, address, port, tags: this.#tags, status: 'alive' }
  }

  members(): readonly Member[] {
    this.#members ??= this.#running?.core.members().map(memberOf) ?? [this.self()]
    return this.#members
  }

  onChange(listener: (members: readonly Member[]) => void): () => void {
    // Wrapped, so that one function registered twice is two listeners.
    const entry = (members: readonly Member[]): void => listener(members)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  async join(addresses: readonly string[], signal: AbortSignal): Promise<number> {
    return await this.#joins.join(addresses, signal)
  }

  async leave(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#running === null) return
    this.#running.snapshot?.noteLeave()
    this.#handle({ kind: 'leave' })
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#left.promise, promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async forceLeave(name: string, { prune }: { readonly prune: boolean }): Promise<void> {
    if (this.#running?.core.member(name) === undefined) {
      throw new FairleadError('NOT_FOUND', `No node found with name '${name}'`, { facts: { name } })
    }
    this.#handle({ kind: 'force-leave', name, prune })
  }

  get coordinate(): Coordinate | null {
    return this.#running?.core.coordinate ?? null
  }

  get isEncrypted(): boolean {
    return (this.#running?.keys.keyring ?? null) !== null
  }

  get gossipKey(): GossipKey | undefined {
    return this.#running?.keys.keyring?.primary
  }

  stats(): StringMap {
    const running = this.#running
    return { encrypted: String(this.isEncrypted), ...(running === null ? {} : statsOf(running)) }
  }

  async keyring(
    request: KeyringRequest,
    { signal, relayFactor = 0 }: { readonly signal: AbortSignal; readonly relayFactor?: number },
  ): Promise<KeyringReport> {
    signal.throwIfAborted()
    const { keys } = this.#started()
    return await keys.spread(request, this.#options.nodeName, this.#calls.others(relayFactor))
  }

  /** @throws FairleadError TOO_LARGE, and then nothing has changed */
  setTags(tags: StringMap): void {
    const meta = encodeTags(tags)
    this.#tags = tags
    this.#members = null
    this.#handle({ kind: 'set-meta', meta })
  }

  announce(notice: CatalogNotice): void {
    this.#handle({ kind: 'catalog-notice', notice })
  }

  onNotice(listener: (notice: CatalogNotice) => void): () => void {
    const entry = (notice: CatalogNotice): void => listener(notice)
    this.#noticeListeners.add(entry)
    return () => void this.#noticeListeners.delete(entry)
  }

  fire(name: string, payload: Uint8Array): void {
    this.#events.check(name, payload)
    this.#input({ kind: 'fire', name, payload })
  }

  onEvent(listener: (event: GossipEvent) => void): () => void {
    return this.#events.onEvent(listener)
  }

  readonly query: QueryBus['query'] = (query, options) => this.#queries.query(query, options)

  readonly onQuery: QueryBus['onQuery'] = (name, handler) => this.#queries.onQuery(name, handler)

  get eventTime(): number {
    return this.#running?.core.eventTime ?? 0
  }

  get queryTime(): number {
    return this.#running?.core.queryTime ?? 0
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { options: o, deps } = { options: this.#options, deps: this.#deps }
    signal.throwIfAborted()
    const path = o.snapshotPath
    const known = path === undefined ? null : await readMemberSnapshot(path, deps.log)
    const keys = await PoolKeys.open(o.encryption, deps)
    const seal = sealOf(o, keys)
    const transport = await GossipTransport.open(
      {
        family: this.#family,
        bindAddress: o.bindAddress,
        port: o.port,
        streamTimeoutMs: o.timing.tcpTimeoutMs,
      },
      {
        seal,
        clock: deps.clock,
        log: deps.log,
        onUnsendable: (to, isOurs) => this.#handle({ kind: 'unsendable', to, isOurs }),
        onPacket: (from, bytes) => this.#handle({ kind: 'packet', from, bytes }),
        onRequest: (request) => this.#answer(request, keys),
      },
    )
    if (signal.aborted || this.#stopping.signal.aborted) {
      await transport.close()
      signal.throwIfAborted()
      return
    }
    const core = new SwimCore(
      {
        name: o.nodeName,
        id: o.nodeId,
        address: o.advertiseAddress,
        port: transport.port,
        meta: encodeTags(this.#tags),
        timing: o.timing,
        packetBytesMax: PACKET_SIZE_MAX - seal.packetOverhead,
        incarnation:
          known === null || known.incarnation === 0 ? 1 : known.incarnation + INCARNATION_RESERVE,
        lamportTime: known?.lamportTime ?? 0,
        hasCoordinate: o.hasCoordinate,
        allowedNetworks: o.allowedNetworks,
        eventTime: known?.eventTime ?? 0,
        queryTime: known?.queryTime ?? 0,
        // Who left did not want to hear what was said meanwhile.
        catchesUp: known !== null && known.eventTime > 0 && !(known.hasLeft && !o.rejoinAfterLeave),
      },
      deps.rng.fork('swim'),
      deps.clock.now(),
    )
    const snapshot =
      path === undefined || known === null ? null : new MemberSnapshot(path, known, deps)
    this.#running = { core, transport, snapshot, keys }
    this.#handle({ kind: 'wake' })
    if (known !== null) this.#rejoin = this.#rejoinFrom(known)
  }

  async #rejoinFrom(known: SnapshotContent): Promise<void> {
    if (known.hasLeft && !this.#options.rejoinAfterLeave) return
    const others = [...known.alive].filter(([name]) => name !== this.#options.nodeName)
    await this.#joins.rejoin(others.map(([, address]) => address))
  }

  /** @throws FairleadError SHUTTING_DOWN */
  #input(input: SwimInput): void {
    this.#started()
    this.#handle(input)
  }

  #started(): Running {
    this.#stopping.signal.throwIfAborted()
    if (this.#running !== null) return this.#running
    throw new FairleadError('SHUTTING_DOWN', 'The gossip pool has not started')
  }

  #answer(
    { from, body: bytes, isEncrypted }: StreamRequest,
    keys: PoolKeys,
  ): Uint8Array | Promise<Uint8Array> {
    if (isKeyringRequest(bytes)) return keys.answer(bytes, isEncrypted)
    if (isKeyringRelay(bytes)) return this.#calls.relay(bytes, isEncrypted)
    const replies: Uint8Array[] = []
    this.#handle({ kind: 'request', id: 0, from, bytes }, (reply) => replies.push(reply))
    return replies[0] ?? new Uint8Array(0)
  }

  #handle(input: SwimInput, onReply: (bytes: Uint8Array) => void = () => {}): void {
    const running = this.#running
    if (running === null || this.#stopping.signal.aborted) return
    const effects = running.core.handle(this.#deps.clock.now(), input)
    let isChanged = false
    for (const effect of effects) {
      if (effect.kind === 'member') isChanged = true
      if (effect.kind === 'reply') onReply(effect.bytes)
      else this.#perform(running, effect)
    }
    running.snapshot?.noteClocks(running.core, running.core.self().incarnation)
    this.#arm(running.core)
    if (isChanged) this.#tell()
  }

  #perform(
    { core, transport, snapshot }: Running,
    effect: Exclude<SwimEffect, { kind: 'reply' }>,
  ): void {
    switch (effect.kind) {
      case 'packet':
        transport.send(effect.to, effect.bytes)
        return
      case 'exchange': {
        const { id, to, bytes, deadline } = effect
        void transport
          .exchange(to, bytes, { deadline })
          .then((outcome) => this.#handle({ kind: 'exchanged', id, outcome }))
        return
      }
      case 'joined':
        this.#joins.settle(effect.id, effect.outcome)
        return
      case 'left':
        this.#left.resolve()
        return
      case 'member': {
        this.#figures.noteMember(effect.change)
        const view = core.member(effect.name)
        if (effect.name !== this.#options.nodeName) {
          if (view?.status === 'alive') snapshot?.noteAlive(effect.name, view)
          else snapshot?.noteGone(effect.name)
        }
        logMemberChange(this.#deps.log, effect, view)
        return
      }
      case 'catalog-notice':
        for (const listener of [...this.#noticeListeners]) listener(effect.notice)
        return
      case 'user-event':
        this.#figures.noteEvent()
        this.#events.tell(effect.event)
        return
      case 'query':
      case 'query-answer':
      case 'query-closed':
        this.#queries.perform(effect)
        return
      case 'notice':
        logNotice(this.#deps.log, effect.notice)
        return
      default:
        effect satisfies never
    }
  }

  /** One timer: at what the core waits for. */
  #arm(core: SwimCore): void {
    const at = core.wakeAt
    if (at === this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = at
    if (at === null) return
    this.#timer = this.#deps.clock.timer(at, () => {
      this.#armedFor = null
      this.#handle({ kind: 'wake' })
    })
  }

  #tell(): void {
    this.#members = null
    const members = this.members()
    for (const listener of [...this.#listeners]) listener(members)
  }
}

function memberOf({ name, address, port, tags, status }: MemberView): Member {
  return { name, address, port, tags, status }
}
