/**
 * The gossip pool of this host: who is there, who failed, who left (gossip.md).
 *
 * Hosts core/swim: owns its sockets, its one timer and the file of known members; performs its effects in order.
 * Has no rules of its own. Guarantees: after `stop` no timer, socket or callback of the pool runs; listeners hear of
 * each change after it is visible in `members()`, several of one turn together.
 * Bounds: JOIN_PARALLEL_MAX addresses are tried at a time.
 */

import { Buffer } from 'node:buffer'
import type { StringMap } from '../../core/catalog/types.ts'
import { ipFamily } from '../../core/config/ip-address.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Member, MemberPool } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import { isMemberName, NAME_SIZE_MAX } from '../../core/swim/packet-codec.ts'
import { SwimCore } from '../../core/swim/swim-core.ts'
import { encodeTags } from '../../core/swim/tags.ts'
import type { GossipTiming } from '../../core/swim/timing.ts'
import type {
  JoinOutcome,
  MemberView,
  NodeAddress,
  SwimEffect,
  SwimInput,
} from '../../core/swim/types.ts'
import type { Clock, Instant, Timer } from '../../core/time.ts'
import { GossipTransport } from '../../runtime/gossip/gossip-transport.ts'
import { addressText, resolveMemberAddress } from '../../runtime/gossip/member-addresses.ts'
import {
  MemberSnapshot,
  readMemberSnapshot,
  type SnapshotContent,
} from '../../runtime/gossip/member-snapshot.ts'
import { LABEL_SIZE_MAX, Seal } from '../../runtime/gossip/seal.ts'
import { logMemberChange, logNotice } from './member-log.ts'

export interface GossipPoolOptions {
  /** Unique in the pool. */
  readonly nodeName: string
  /** UUID of this host: tells a restart from another host that took the name. */
  readonly nodeId: string
  /** Pools of other labels are refused, so that neighbours never merge by mistake: the datacenter. */
  readonly label: string
  /** An IP address to listen on, UDP and TCP; the any-address is allowed. */
  readonly bindAddress: string
  /** The IP address under which others reach this member. */
  readonly advertiseAddress: string
  /** 0 takes any port that is free for UDP and TCP; `self().port` has the real one once started. */
  readonly port: number
  /** Together at most 512 bytes on the wire (TOO_LARGE otherwise). */
  readonly tags: StringMap
  /** A file: who was known, for a rejoin after a restart. Without one nothing survives the process. */
  readonly snapshotPath: string | undefined
  /** Rejoin from the snapshot although this member had left. */
  readonly rejoinAfterLeave: boolean
  /** LAN_TIMING, with what the configuration changes of it. */
  readonly timing: GossipTiming
}

export interface GossipPoolDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

/** Of a datagram that no network splits, headers of IP and UDP not counted. */
const PACKET_SIZE_MAX = 1400
const JOIN_PARALLEL_MAX = 16
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
): MemberPool & Service {
  return new GossipPool(options, deps)
}

interface Running {
  readonly core: SwimCore
  readonly transport: GossipTransport
  readonly snapshot: MemberSnapshot | null
}

class GossipPool implements MemberPool, Service {
  readonly #options: GossipPoolOptions
  readonly #deps: GossipPoolDeps
  readonly #family: 4 | 6
  readonly #listeners = new Set<(members: readonly Member[]) => void>()
  readonly #stopping = new AbortController()
  readonly #joins = new Map<number, (outcome: JoinOutcome) => void>()
  readonly #left = Promise.withResolvers<void>()
  #tags: StringMap
  #starting: Promise<void> | undefined
  #running: Running | null = null
  #rejoin: Promise<void> = Promise.resolve()
  #timer: Timer | null = null
  #armedFor: Instant | null = null
  #callId = 0
  /** Of the present state; null when it must be made anew. */
  #members: readonly Member[] | null = null

  constructor(options: GossipPoolOptions, deps: GossipPoolDeps) {
    this.#options = options
    this.#deps = deps
    this.#family = checkAddresses(options)
    this.#tags = options.tags
    encodeTags(options.tags) // refused before anything is bound
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
    const failures: string[] = []
    let answered = 0
    for (let from = 0; from < addresses.length; from += JOIN_PARALLEL_MAX) {
      const batch = addresses.slice(from, from + JOIN_PARALLEL_MAX)
      for (const tried of await Promise.all(batch.map((text) => this.#tryJoin(text, signal)))) {
        answered += tried.answered
        failures.push(...tried.failures)
      }
    }
    signal.throwIfAborted()
    if (answered === 0 && failures.length > 0) {
      throw new FairleadError('NO_SERVERS', `Failed to join: ${failures.join('; ')}`, {
        facts: { addresses, failures },
      })
    }
    if (failures.length > 0) this.#deps.log.warn('some addresses did not answer', { failures })
    return answered
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

  /** @throws FairleadError TOO_LARGE, and then nothing has changed */
  setTags(tags: StringMap): void {
    const meta = encodeTags(tags)
    this.#tags = tags
    this.#members = null
    this.#handle({ kind: 'set-meta', meta })
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { options: o, deps } = { options: this.#options, deps: this.#deps }
    signal.throwIfAborted()
    const path = o.snapshotPath
    const known = path === undefined ? null : await readMemberSnapshot(path, deps.log)
    const seal = new Seal(o.label)
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
        onPacket: (from, bytes) => this.#handle({ kind: 'packet', from, bytes }),
        onRequest: (from, bytes) => this.#answer(from, bytes),
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
      },
      deps.rng.fork('swim'),
      deps.clock.now(),
    )
    const snapshot =
      path === undefined || known === null ? null : new MemberSnapshot(path, known, deps)
    this.#running = { core, transport, snapshot }
    this.#handle({ kind: 'wake' })
    if (known !== null) this.#rejoin = this.#rejoinFrom(known)
  }

  /** Those known from before, in random order, until one answers. */
  async #rejoinFrom(known: SnapshotContent): Promise<void> {
    if (known.hasLeft && !this.#options.rejoinAfterLeave) return
    const { log, rng } = this.#deps
    const others = [...known.alive].filter(([name]) => name !== this.#options.nodeName)
    const order = rng.shuffle(others)
    for (let from = 0; from < order.length; from += JOIN_PARALLEL_MAX) {
      const addresses = order.slice(from, from + JOIN_PARALLEL_MAX).map(([, a]) => addressText(a))
      try {
        await this.join(addresses, this.#stopping.signal)
        log.info('rejoined the pool that was known from before', { members: order.length })
        return
      } catch (err) {
        if (this.#stopping.signal.aborted) return
        log.debug('members known from before do not answer', { addresses, err })
      }
    }
    if (order.length > 0) log.warn('no member known from before answers', { members: order.length })
  }

  /** All that one written address stands for. */
  async #tryJoin(
    text: string,
    signal: AbortSignal,
  ): Promise<{ readonly answered: number; readonly failures: readonly string[] }> {
    try {
      const targets = await resolveMemberAddress(text, this.#family)
      const outcomes = await Promise.all(targets.map((to) => this.#joinAt(to, signal)))
      const failures = outcomes.flatMap((outcome, i) => {
        const target = targets[i]
        if (outcome.kind !== 'failed' || target === undefined) return []
        return [`${addressText(target)}: ${outcome.reason}`]
      })
      return { answered: outcomes.filter(({ kind }) => kind === 'joined').length, failures }
    } catch (error) {
      signal.throwIfAborted()
      return { answered: 0, failures: [error instanceof Error ? error.message : String(error)] }
    }
  }

  async #joinAt(to: NodeAddress, signal: AbortSignal): Promise<JoinOutcome> {
    this.#stopping.signal.throwIfAborted()
    if (this.#running === null) {
      throw new FairleadError('SHUTTING_DOWN', 'The gossip pool has not started')
    }
    const id = ++this.#callId
    const { promise, resolve, reject } = Promise.withResolvers<JoinOutcome>()
    const ending = AbortSignal.any([signal, this.#stopping.signal])
    const onAbort = (): void => reject(ending.reason)
    ending.addEventListener('abort', onAbort, { once: true })
    if (ending.aborted) onAbort()
    this.#joins.set(id, resolve)
    try {
      this.#handle({ kind: 'join', id, to })
      return await promise
    } finally {
      this.#joins.delete(id)
      ending.removeEventListener('abort', onAbort)
    }
  }

  #answer(from: NodeAddress, bytes: Uint8Array): Uint8Array {
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
    running.snapshot?.noteClocks(running.core.lamportTime, running.core.self().incarnation)
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
          .exchange(to, bytes, deadline)
          .then((outcome) => this.#handle({ kind: 'exchanged', id, outcome }))
        return
      }
      case 'joined':
        this.#joins.get(effect.id)?.(effect.outcome)
        return
      case 'left':
        this.#left.resolve()
        return
      case 'member': {
        const view = core.member(effect.name)
        if (effect.name !== this.#options.nodeName) {
          if (view?.status === 'alive') snapshot?.noteAlive(effect.name, view)
          else snapshot?.noteGone(effect.name)
        }
        logMemberChange(this.#deps.log, effect, view)
        return
      }
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

function checkAddresses(options: GossipPoolOptions): 4 | 6 {
  const { nodeName, bindAddress, advertiseAddress } = options
  if (!isMemberName(nodeName)) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Node name ${JSON.stringify(nodeName)} cannot be used in gossip: 1 to ${NAME_SIZE_MAX} bytes without control characters`,
    )
  }
  if (Buffer.byteLength(options.label) > LABEL_SIZE_MAX) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Label of the gossip pool "${options.label}" is longer than ${LABEL_SIZE_MAX} bytes`,
    )
  }
  const family = ipFamily(bindAddress)
  if (family === undefined || ipFamily(advertiseAddress) !== family) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Gossip needs a bind address and an advertise address of one IP family, not "${bindAddress}" and "${advertiseAddress}"`,
    )
  }
  return family
}
