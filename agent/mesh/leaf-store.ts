/**
 * Leaf certificates of this host: one per identity, signed on first use, renewed before they end.
 *
 * Guarantees: a leaf handed out was signed by what was the authority when it was issued and has not ended;
 * keys are made here and never leave the host. One signing per identity is in flight at a time.
 * Renewal at a random point of 60 to 90 % of life; after a change of what signs within 30 s, spread at random; a
 * failed renewal keeps the old leaf and tries again once per window (mesh.md 4.8).
 * Bounds: LEAVES_MAX identities; what nobody read for 72 h is dropped.
 */

import type { CaRoots } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { LeafCertificate } from './types.ts'

/** Identities kept at once; the least recently read idle one makes room, else the request is refused. */
const LEAVES_MAX = 1024
const IDLE_MAX_MS = 72 * 3600_000
const SOFT_RENEWAL = 0.6
const HARD_RENEWAL = 0.9
/** Leaves shorter than this are renewed at the soft point without spreading. */
const SHORT_LIFE_MS = 10 * 60_000
const WAIT_MAX_MS = 600_000

/** A fresh P-256 key and a CSR for it whose only SAN is `uri`. */
export type LeafKeyMaker = (
  uri: string,
) => Promise<{ readonly keyPem: string; readonly csrPem: string }>

export interface LeafStoreDeps {
  /** Over how long leaves are signed anew once another key signs, and how far apart attempts are. */
  readonly spreadMs: number
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly servers: Pick<ServerApi, 'signLeaf'>
  /** On whose behalf a leaf is signed; `secret` is that of who asked for it. Absent without access control. */
  readonly signer?: (uri: string, secret: string | undefined) => Pick<ServerApi, 'signLeaf'>
  readonly makeKey: LeafKeyMaker
  /** The authority key id of a certificate. */
  readonly authorityOf: (certPem: string) => string
}

interface Entry {
  readonly uri: string
  leaf: LeafCertificate | undefined
  issuedAt: Instant
  /** Key id of what signed the leaf, '' without one. */
  authority: string
  lastRead: Instant
  /** Held by the mesh itself: never dropped for idleness. */
  pinned: boolean
  failures: number
  pending: Promise<LeafCertificate> | undefined
  /** Of the token of who last asked for it. */
  secret: string | undefined
  timer: Timer | undefined
  readonly waiters: Set<() => void>
}

export class LeafStore {
  readonly #deps: LeafStoreDeps
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<() => void>()
  /** Key id of what signs leaves now; '' until the roots are known. */
  #signingKeyId = ''
  #signerChangedAt = instant(0)
  #index = 0
  #stopped = false

  constructor(deps: LeafStoreDeps) {
    this.#deps = deps
  }

  /**
   * Called with every view of the roots; leaves that another key signed are signed anew, spread over 30 s.
   *
   * @param signingKeyId of the active root
   */
  signerChanged(signingKeyId: string): void {
    if (signingKeyId === this.#signingKeyId) return
    this.#signingKeyId = signingKeyId
    this.#signerChangedAt = this.#deps.clock.now()
    const { spreadMs } = this.#deps
    for (const entry of this.#entries.values()) {
      if (this.#isByAnother(entry)) this.#arm(entry, this.#deps.rng.range(0, spreadMs))
    }
  }

  /** Leaves of this host that are revoked are replaced at once. @param serials colon-separated lower hex */
  revoked(serials: readonly string[]): void {
    if (serials.length === 0) return
    for (const entry of this.#entries.values()) {
      const { leaf } = entry
      if (leaf === undefined || !serials.includes(leaf.serialNumber)) continue
      if (entry.pending === undefined && entry.failures === 0) this.#renew(entry)
    }
  }

  /** The leaf if there is a valid one now; does not start a signing. */
  peek(uri: string): LeafCertificate | undefined {
    const entry = this.#entries.get(uri)
    return entry?.leaf !== undefined && !this.#hasEnded(entry.leaf) ? entry.leaf : undefined
  }

  /** Keeps a leaf for `uri` current until released; `onChange` listeners hear of each new one. */
  pin(uri: string): void {
    const entry = this.#entry(uri)
    entry.pinned = true
    if (entry.leaf === undefined && entry.pending === undefined && entry.timer === undefined) {
      this.#renew(entry)
    }
  }

  unpin(uri: string): void {
    const entry = this.#entries.get(uri)
    if (entry !== undefined) entry.pinned = false
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** @see LeafSource.leaf */
  async get(
    uri: string,
    options: {
      readonly minIndex?: number
      readonly waitMs?: number
      readonly signal?: AbortSignal
      readonly secret?: string
    } = {},
  ): Promise<{ readonly leaf: LeafCertificate; readonly cached: boolean; readonly ageMs: number }> {
    options.signal?.throwIfAborted()
    const entry = this.#entry(uri)
    if (options.secret !== undefined) entry.secret = options.secret
    entry.lastRead = this.#deps.clock.now()
    const current = entry.leaf
    if (current === undefined || this.#hasEnded(current)) {
      const leaf = await this.#issue(entry)
      return { leaf, cached: false, ageMs: 0 }
    }
    // A read that does not wait is given what the present authority signed, if that can be had.
    if (options.minIndex === undefined && this.#isByAnother(entry)) {
      if (entry.issuedAt <= this.#signerChangedAt) await this.#issue(entry).catch(() => undefined)
    } else if (options.minIndex !== undefined && current.index <= options.minIndex) {
      await this.#waitForNext(entry, options.waitMs ?? WAIT_MAX_MS / 2, options.signal)
    }
    const leaf = entry.leaf ?? current
    return { leaf, cached: true, ageMs: this.#deps.clock.now() - entry.issuedAt }
  }

  stop(): void {
    this.#stopped = true
    for (const entry of this.#entries.values()) {
      entry.timer?.cancel()
      for (const wake of entry.waiters) wake()
    }
    this.#entries.clear()
    this.#listeners.clear()
  }

  #entry(uri: string): Entry {
    if (this.#stopped) throw new FairleadError('SHUTTING_DOWN', 'the agent is shutting down')
    const existing = this.#entries.get(uri)
    if (existing !== undefined) return existing
    this.#makeRoom()
    const now = this.#deps.clock.now()
    const entry: Entry = {
      uri,
      leaf: undefined,
      issuedAt: now,
      authority: '',
      lastRead: now,
      pinned: false,
      failures: 0,
      pending: undefined,
      secret: undefined,
      timer: undefined,
      waiters: new Set(),
    }
    this.#entries.set(uri, entry)
    return entry
  }

  #makeRoom(): void {
    if (this.#entries.size < LEAVES_MAX) return
    let oldest: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.pinned || entry.pending !== undefined || entry.waiters.size > 0) continue
      if (oldest === undefined || entry.lastRead < oldest.lastRead) oldest = entry
    }
    if (oldest === undefined) {
      throw new FairleadError(
        'RATE_LIMITED',
        `this agent already keeps ${LEAVES_MAX} leaf certificates in use`,
      )
    }
    this.#drop(oldest)
  }

  #drop(entry: Entry): void {
    entry.timer?.cancel()
    this.#entries.delete(entry.uri)
  }

  /** Signs once however many callers wait for it. */
  async #issue(entry: Entry): Promise<LeafCertificate> {
    entry.pending ??= this.#sign(entry).finally(() => {
      entry.pending = undefined
    })
    return await entry.pending
  }

  async #sign(entry: Entry): Promise<LeafCertificate> {
    const { keyPem, csrPem } = await this.#deps.makeKey(entry.uri)
    const { servers, signer } = this.#deps
    const signed = await (signer?.(entry.uri, entry.secret) ?? servers).signLeaf(csrPem)
    if (this.#stopped) throw new FairleadError('SHUTTING_DOWN', 'the agent is shutting down')
    this.#index = Math.max(this.#index + 1, signed.index)
    const leaf: LeafCertificate = {
      certPem: signed.certPem,
      privateKeyPem: keyPem,
      serialNumber: signed.serialNumber,
      uri: signed.uri,
      validAfter: signed.notBefore,
      validBefore: signed.notAfter,
      index: this.#index,
    }
    entry.leaf = leaf
    entry.authority = this.#deps.authorityOf(signed.certPem)
    entry.issuedAt = this.#deps.clock.now()
    entry.failures = 0
    // Either the request crossed with a rotation, or the new root is not known here yet: the timer sees.
    const isOfNoSigner = this.#isByAnother(entry)
    this.#arm(entry, isOfNoSigner ? this.#deps.spreadMs : this.#renewalDelayMs(leaf))
    for (const wake of entry.waiters) wake()
    entry.waiters.clear()
    for (const listener of this.#listeners) listener()
    return leaf
  }

  #renewalDelayMs(leaf: LeafCertificate): number {
    const life = leaf.validBefore - leaf.validAfter
    const elapsed = this.#deps.clock.wall() - leaf.validAfter
    const soft = life * SOFT_RENEWAL
    if (life < SHORT_LIFE_MS) return Math.max(0, soft - elapsed)
    const point = soft + this.#deps.rng.float() * life * (HARD_RENEWAL - SOFT_RENEWAL)
    return Math.max(0, point - elapsed)
  }

  #arm(entry: Entry, delayMs: number): void {
    entry.timer?.cancel()
    const at = instant(this.#deps.clock.now() + delayMs)
    entry.timer = this.#deps.clock.timer(at, () => {
      entry.timer = undefined
      const idleMs = this.#deps.clock.now() - entry.lastRead
      if (!entry.pinned && entry.waiters.size === 0 && idleMs > IDLE_MAX_MS) this.#drop(entry)
      else if (this.#isDue(entry)) this.#renew(entry)
      else if (entry.leaf !== undefined) this.#arm(entry, this.#renewalDelayMs(entry.leaf))
    })
  }

  #isByAnother(entry: Entry): boolean {
    return (
      entry.leaf !== undefined &&
      this.#signingKeyId !== '' &&
      entry.authority !== this.#signingKeyId
    )
  }

  #isDue(entry: Entry): boolean {
    const { leaf } = entry
    if (leaf === undefined || this.#isByAnother(entry)) return true
    const life = leaf.validBefore - leaf.validAfter
    return this.#deps.clock.wall() - leaf.validAfter >= life * SOFT_RENEWAL
  }

  /** In the background: a failure keeps what there is and tries again one window later. */
  #renew(entry: Entry): void {
    this.#issue(entry).catch((err: unknown) => {
      if (this.#stopped || !this.#entries.has(entry.uri)) return
      entry.failures++
      const retryMs =
        entry.leaf === undefined
          ? Math.min(this.#deps.spreadMs, 250 * 2 ** Math.min(entry.failures, 7))
          : this.#deps.spreadMs
      this.#deps.log.warn('leaf certificate not signed, keeping the old one', {
        uri: entry.uri,
        failures: entry.failures,
        err,
      })
      this.#arm(entry, retryMs / 2 + this.#deps.rng.range(0, retryMs / 2))
    })
  }

  #hasEnded(leaf: LeafCertificate): boolean {
    return leaf.validBefore <= this.#deps.clock.wall()
  }

  async #waitForNext(entry: Entry, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#deps
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        timer.cancel()
        entry.waiters.delete(done)
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        timer.cancel()
        entry.waiters.delete(done)
        reject(signal?.reason)
      }
      const timer = clock.timer(instant(clock.now() + Math.min(waitMs, WAIT_MAX_MS)), done)
      entry.waiters.add(done)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }
}

/** The key id that leaves of the active root name as their authority; '' without one. */
export function signingKeyIdOf(roots: CaRoots | undefined): string {
  return roots?.roots.find((root) => root.active)?.signingKeyId ?? ''
}

export function revokedSerials({ revocations = [] }: CaRoots): readonly string[] {
  return revocations.filter(({ kind }) => kind === 'serial').map(({ value }) => value)
}
