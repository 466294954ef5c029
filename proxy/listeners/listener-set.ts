/**
 * The listeners of the snapshot in force: opened, changed in place, and let go as snapshots differ.
 *
 * Guarantees: a listener equal in two snapshots, or different only in what can change while it runs, keeps
 * its port and connections; one that could not be bound is reported and tried again at each snapshot and every
 * RETRY_MS. Removed listeners stop accepting at once; their exchanges end by themselves. Once retired, ports are
 * another process's: snapshots then only change and cut what is still open.
 */

import type { Server } from 'node:net'
import { sameData } from '../../core/catalog/equality.ts'
import type { ListenerProblem } from '../../core/mesh/proxy-control.ts'
import type {
  InboundListener as InboundSpec,
  OutboundListener as OutboundSpec,
  ProxySnapshot,
} from '../../core/mesh/proxy-snapshot.ts'
import { instant, type Timer } from '../../core/time.ts'
import type { Identity } from '../tls/identity.ts'
import type { BindFailure, InheritPort } from './bind.ts'
import { type InboundDeps, InboundListener } from './inbound-listener.ts'
import { type OutboundDeps, OutboundListener } from './outbound-listener.ts'

export interface ListenerSetDeps extends InboundDeps, OutboundDeps {
  identity(id: string): Identity | undefined
  /** While a process before this one has the ports. */
  readonly inherit?: () => InheritPort | undefined
}

const RETRY_MS = 3000
/** A Unix socket was replaced: what connected to it until then has been accepted after this. */
const UNIX_LINGER_MS = 1000

interface Entry {
  readonly listener: InboundListener | OutboundListener
  isBound: boolean
  problem: BindFailure | undefined
}

export class ListenerSet {
  readonly #deps: ListenerSetDeps
  readonly #inbound = new Map<string, Entry>()
  readonly #outbound = new Map<string, Entry>()
  /** Removed listeners whose connections are still open. */
  readonly #leaving = new Set<InboundListener | OutboundListener>()
  #retry: Timer | undefined
  #isClosed = false

  constructor(deps: ListenerSetDeps) {
    this.#deps = deps
  }

  /** @param renewed identities whose leaf or roots are new. @returns listeners that are not bound */
  async apply(
    snapshot: ProxySnapshot,
    renewed: ReadonlySet<string>,
  ): Promise<readonly ListenerProblem[]> {
    // What leaves goes first: its address may be another's now.
    this.#removeInbound(snapshot.inbound)
    this.#removeOutbound(snapshot.outbound)
    for (const spec of snapshot.inbound) this.#setInbound(spec, renewed)
    for (const spec of snapshot.outbound) this.#setOutbound(spec)
    if (this.#isClosed) return []
    await this.#bindMissing()
    return this.problems
  }

  get problems(): readonly ListenerProblem[] {
    const problems: ListenerProblem[] = []
    for (const entry of this.#entries()) {
      if (entry.problem === undefined) continue
      problems.push({
        listenerId: entry.listener.spec.id,
        bind: entry.listener.bind,
        code: entry.problem.code,
        message: entry.problem.message,
      })
    }
    return problems
  }

  /** Where a listener really listens; for tests that bind port 0. */
  address(id: string): InboundListener['address'] {
    const entry = this.#inbound.get(id) ?? this.#outbound.get(id)
    return entry?.listener.address ?? null
  }

  /** Closes all ports; resolves when every connection has ended. */
  async drain(): Promise<void> {
    this.#isClosed = true
    this.#retry?.cancel()
    const all = [...[...this.#entries()].map((entry) => entry.listener), ...this.#leaving]
    await Promise.all(all.map(async (listener) => await listener.drain()))
  }

  /** The server that listens on a port (bindText), for a successor. */
  serverOf(bind: string): Server | undefined {
    for (const entry of this.#entries()) {
      if (entry.isBound && entry.listener.bind === bind) return entry.listener.server
    }
    return undefined
  }

  /**
   * All ports are a successor's: resolves when every connection has ended.
   *
   * @param patienceMs how long callers that keep an idle connection may take to send the request that is told to be the last
   */
  async retire(patienceMs: number): Promise<void> {
    this.#isClosed = true
    this.#retry?.cancel()
    const { clock } = this.#deps
    const all = [...[...this.#entries()].map((entry) => entry.listener), ...this.#leaving]
    const late = clock.timer(instant(clock.now() + patienceMs), () => {
      for (const listener of all) void listener.retire(false)
    })
    await Promise.all(
      all.map(async (listener) => {
        if ('socketPath' in listener.spec.bind) await clock.sleep(UNIX_LINGER_MS)
        await listener.retire(true)
      }),
    )
    late.cancel()
  }

  destroy(): void {
    this.#isClosed = true
    this.#retry?.cancel()
    for (const entry of this.#entries()) entry.listener.destroy()
    for (const listener of this.#leaving) listener.destroy()
  }

  *#entries(): Iterable<Entry> {
    yield* this.#inbound.values()
    yield* this.#outbound.values()
  }

  #removeInbound(specs: readonly InboundSpec[]): void {
    const wanted = new Map(specs.map((spec) => [spec.id, spec]))
    for (const [id, entry] of this.#inbound) {
      const spec = wanted.get(id)
      if (spec !== undefined && sameData(entry.listener.spec.bind, spec.bind)) continue
      this.#inbound.delete(id)
      this.#let(entry.listener)
    }
  }

  #removeOutbound(specs: readonly OutboundSpec[]): void {
    const wanted = new Map(specs.map((spec) => [spec.id, spec]))
    for (const [id, entry] of this.#outbound) {
      const spec = wanted.get(id)
      if (spec !== undefined && sameData(entry.listener.spec.bind, spec.bind)) continue
      this.#outbound.delete(id)
      this.#let(entry.listener)
    }
  }

  #let(listener: InboundListener | OutboundListener): void {
    this.#leaving.add(listener)
    void listener.drain().then(() => this.#leaving.delete(listener))
  }

  #setInbound(spec: InboundSpec, renewed: ReadonlySet<string>): void {
    const identity = this.#deps.identity(spec.identityId)
    const known = this.#inbound.get(spec.id)?.listener as InboundListener | undefined
    if (identity === undefined) return
    if (known === undefined) {
      if (this.#isClosed) return
      const listener = new InboundListener(spec, identity, this.#deps)
      this.#inbound.set(spec.id, { listener, isBound: false, problem: undefined })
      return
    }
    if (known.spec.identityId !== spec.identityId || renewed.has(spec.identityId)) {
      known.rotate(identity)
    }
    if (!sameData(known.spec, spec)) known.update(spec)
  }

  #setOutbound(spec: OutboundSpec): void {
    const known = this.#outbound.get(spec.id)?.listener as OutboundListener | undefined
    if (known === undefined) {
      if (this.#isClosed) return
      const listener = new OutboundListener(spec, this.#deps)
      this.#outbound.set(spec.id, { listener, isBound: false, problem: undefined })
    } else if (!sameData(known.spec, spec)) {
      known.update(spec)
    }
  }

  async #bindMissing(): Promise<void> {
    this.#retry?.cancel()
    this.#retry = undefined
    const missing = [...this.#entries()].filter((entry) => !entry.isBound)
    await Promise.all(
      missing.map(async (entry) => {
        entry.problem = await entry.listener.listen(this.#deps.inherit?.())
        entry.isBound = entry.problem === undefined
        // Let go while it was binding.
        if (entry.isBound && (this.#isClosed || !this.#isCurrent(entry))) entry.listener.closePort()
      }),
    )
    if (this.#isClosed || missing.every((entry) => entry.isBound)) return
    const { clock } = this.#deps
    this.#retry = clock.timer(instant(clock.now() + RETRY_MS), () => void this.#bindMissing())
  }

  #isCurrent(entry: Entry): boolean {
    const { id } = entry.listener.spec
    return this.#inbound.get(id) === entry || this.#outbound.get(id) === entry
  }
}
