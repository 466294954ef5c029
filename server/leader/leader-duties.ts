/**
 * What only the leader does, begun when this server starts to lead and ended when it stops.
 *
 * Order at the start: this node into the catalog first (nothing of this host is found before), timers,
 * the members of Raft and autopilot, then the CA, which takes longest. Guarantees: no duty runs while another server leads, as far as this
 * one knows; a duty that fails is tried again while leading; after `stop` no timer of ours is armed.
 */

import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { AclActs } from '../acl/acl-acts.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { Autopilot } from '../cluster/autopilot.ts'
import type { Roster } from '../cluster/roster.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { CoordinateBatches } from './coordinate-batches.ts'
import type { MemberReconciler } from './member-reconciler.ts'
import type { Notices } from './notices.ts'
import type { SessionTimers } from './session-timers.ts'
import type { TombstoneReaper } from './tombstone-reaper.ts'

const CA_RETRY_FIRST_MS = 100
const CA_RETRY_MAX_MS = 30_000

export interface LeaderDutiesDeps {
  readonly raft: Pick<RaftNodeApi, 'onLeadership'>
  readonly reconciler: MemberReconciler
  readonly sessions: SessionTimers
  readonly tombstones: TombstoneReaper
  readonly coordinates: Pick<CoordinateBatches, 'start' | 'stop'>
  /** Absent where there is nobody to tell. */
  readonly notices: Pick<Notices, 'start' | 'stop'> | undefined
  readonly roster: Pick<Roster, 'start' | 'stop'>
  readonly autopilot: Pick<Autopilot, 'start' | 'stop'>
  readonly ca: CertificateAuthority
  /** Absent without access control. */
  readonly acl: Pick<AclActs, 'start' | 'stop'> | undefined
  readonly clock: Clock
  readonly log: Logger
}

export class LeaderDuties {
  readonly #deps: LeaderDutiesDeps
  readonly #established = Promise.withResolvers<void>()
  #reign: AbortController | undefined
  /** What runs for the present or an earlier reign; the next waits for it. */
  #running: Promise<void> = Promise.resolve()
  #stopListening: (() => void) | undefined

  constructor(deps: LeaderDutiesDeps) {
    this.#deps = deps
  }

  /**
   * Resolves when this server leads for the first time and its own node has been offered to the catalog,
   * or when the duties are stopped.
   *
   * @throws the abort reason
   */
  async settled(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#established.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  start(): void {
    this.#stopListening = this.#deps.raft.onLeadership((isLeader) => {
      if (isLeader) this.#begin()
      else this.#end()
    })
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#end()
    this.#established.resolve()
    await this.#running
  }

  /** The whole state was replaced: what was kept beside it is learnt anew. Without effect while not leading. */
  restored(): void {
    const { sessions, reconciler } = this.#deps
    const signal = this.#reign?.signal
    if (signal === undefined) return
    this.#deps.log.info('the state was restored from a snapshot')
    sessions.stop()
    sessions.start()
    void reconciler.sweepSoon()
    this.#running = Promise.all([this.#running, this.#leadCa(signal)]).then(() => {})
  }

  #begin(): void {
    if (this.#reign !== undefined) return
    const reign = new AbortController()
    this.#reign = reign
    this.#running = this.#running.then(() => this.#rule(reign.signal))
  }

  #end(): void {
    if (this.#reign === undefined) return
    this.#reign.abort()
    this.#reign = undefined
    this.#deps.sessions.stop()
    this.#deps.tombstones.stop()
    this.#deps.coordinates.stop()
    this.#deps.notices?.stop()
    this.#deps.ca.resign()
    const { reconciler, roster, autopilot } = this.#deps
    const ends = [this.#running, reconciler.stop(), roster.stop(), autopilot.stop()]
    if (this.#deps.acl !== undefined) ends.push(this.#deps.acl.stop())
    this.#running = Promise.all(ends).then(() => {})
  }

  async #rule(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { reconciler, sessions, tombstones, roster, autopilot, log } = this.#deps
    log.info('this server leads')
    const swept = reconciler.start()
    sessions.start()
    tombstones.start()
    this.#deps.coordinates.start()
    this.#deps.notices?.start()
    roster.start()
    autopilot.start()
    this.#deps.acl?.start()
    await Promise.all([
      swept.then(() => {
        if (!signal.aborted) this.#established.resolve()
      }),
      this.#leadCa(signal),
    ])
  }

  async #leadCa(signal: AbortSignal): Promise<void> {
    const { ca, clock, log } = this.#deps
    for (let delayMs = CA_RETRY_FIRST_MS; ; delayMs = Math.min(2 * delayMs, CA_RETRY_MAX_MS)) {
      try {
        await ca.lead()
        // Leadership may have gone meanwhile; then somebody else signs.
        if (signal.aborted) ca.resign()
        return
      } catch (err) {
        if (signal.aborted) return
        log.error('cannot set up the certificate authority, will try again', { err, delayMs })
      }
      try {
        await clock.sleep(delayMs, signal)
      } catch {
        return // the reign is over
      }
    }
  }
}
