/**
 * One stream of the incremental discovery protocol: what Envoy asked for and has, and what it is to be sent (mesh.md 14.2).
 *
 * Pure. `update` takes what there is, `request` what Envoy says; both return the answers to send, in order. Guarantees:
 * a resource is sent once for each of its versions; of one kind at most one answer is unacknowledged; listeners and routes
 * wait until clusters and endpoints before them are acknowledged; what is gone is removed only after that. What Envoy
 * refused is not sent again before it changes. A cluster that is sent takes its instances along, a listener its routes,
 * because Envoy forgets those with the old one.
 * Bounds: SUBSCRIPTIONS_MAX names of a kind.
 */

import { XDS_KINDS, type XdsKind, type XdsResources } from './resource-types.ts'

export const SUBSCRIPTIONS_MAX = 65_536
const WILDCARD = '*'
/** In `sent`: Envoy knows that there is no such resource. */
const ABSENT = ''

export interface Versioned {
  /** Of its bytes. */
  readonly version: string
}

export interface DeltaRequest {
  readonly kind: XdsKind
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  /** What Envoy has from an earlier stream. */
  readonly initialVersions: Readonly<Record<string, string>>
  /** Of the answer that this request acknowledges or refuses; '' for none. */
  readonly nonce: string
  /** Set: the answer was refused. */
  readonly error: string | undefined
}

export interface DeltaResponse<R extends Versioned> {
  readonly kind: XdsKind
  readonly nonce: string
  readonly resources: readonly (readonly [name: string, resource: R])[]
  readonly removed: readonly string[]
}

/** What became of an answer. */
export interface Verdict {
  readonly kind: XdsKind
  /** Names that it held. */
  readonly names: readonly string[]
  /** Undefined: accepted. */
  readonly error: string | undefined
}

interface Subscription {
  isKnown: boolean
  isWildcard: boolean
  readonly names: Set<string>
  /** By name, the version that Envoy was sent last. */
  readonly sent: Map<string, string>
  inFlight: { readonly nonce: string; readonly names: readonly string[] } | undefined
}

export class DeltaSession<R extends Versioned> {
  readonly #subscriptions = new Map<XdsKind, Subscription>(
    XDS_KINDS.map((kind) => [
      kind,
      { isKnown: false, isWildcard: false, names: new Set(), sent: new Map(), inFlight: undefined },
    ]),
  )
  readonly #onVerdict: (verdict: Verdict) => void
  #resources: XdsResources<R> | undefined
  #nonce = 0

  constructor(onVerdict: (verdict: Verdict) => void) {
    this.#onVerdict = onVerdict
  }

  /** True when Envoy has accepted or refused all that it was sent. */
  get isSettled(): boolean {
    for (const { inFlight } of this.#subscriptions.values())
      if (inFlight !== undefined) return false
    return true
  }

  update(resources: XdsResources<R>): DeltaResponse<R>[] {
    this.#resources = resources
    return this.#flush()
  }

  /** @throws RangeError when too many names are subscribed to */
  request(request: DeltaRequest): DeltaResponse<R>[] {
    const subscription = this.#subscription(request.kind)
    this.#acknowledge(subscription, request)
    this.#subscribe(subscription, request)
    return this.#flush()
  }

  #acknowledge(subscription: Subscription, { kind, nonce, error }: DeltaRequest): void {
    const { inFlight } = subscription
    if (inFlight === undefined || nonce === '' || nonce !== inFlight.nonce) return
    subscription.inFlight = undefined
    this.#onVerdict({ kind, names: inFlight.names, error })
  }

  #subscribe(subscription: Subscription, request: DeltaRequest): void {
    const { names, sent } = subscription
    if (!subscription.isKnown) {
      subscription.isKnown = true
      // The first request of a kind that names nothing asks for all.
      subscription.isWildcard = request.subscribe.length === 0
      for (const [name, version] of Object.entries(request.initialVersions)) sent.set(name, version)
    } else {
      // Asked for again, it has been forgotten.
      for (const name of request.subscribe) sent.delete(name)
    }
    for (const name of request.subscribe) {
      if (name === WILDCARD) subscription.isWildcard = true
      else names.add(name)
    }
    for (const name of request.unsubscribe) {
      if (name === WILDCARD) subscription.isWildcard = false
      names.delete(name)
      if (!subscription.isWildcard) sent.delete(name)
    }
    if (names.size > SUBSCRIPTIONS_MAX) {
      throw new RangeError(`over ${SUBSCRIPTIONS_MAX} subscriptions of one kind`)
    }
  }

  #flush(): DeltaResponse<R>[] {
    if (this.#resources === undefined) return []
    const responses: DeltaResponse<R>[] = []
    for (const kind of XDS_KINDS) {
      const isLater = kind === 'listener' || kind === 'routes'
      if (isLater && (this.#isUnsettled('cluster') || this.#isUnsettled('endpoints')))
        return responses
      this.#send(kind, { removes: isLater || kind === 'secret' ? 'all' : 'absent' }, responses)
    }
    if (this.#isUnsettled('listener') || this.#isUnsettled('routes')) return responses
    for (const kind of ['cluster', 'endpoints'] as const) {
      this.#send(kind, { removes: 'all' }, responses)
    }
    return responses
  }

  /** @param removes `absent`: of what is gone only what Envoy waits for, not what it may still use */
  #send(
    kind: XdsKind,
    { removes }: { readonly removes: 'all' | 'absent' },
    into: DeltaResponse<R>[],
  ): void {
    const subscription = this.#subscription(kind)
    if (!subscription.isKnown || subscription.inFlight !== undefined) return
    const { sent } = subscription
    const resources: [string, R][] = []
    const removed: string[] = []
    for (const [name, resource] of this.#changes(kind)) {
      if (resource !== undefined) {
        resources.push([name, resource])
        sent.set(name, resource.version)
        this.#sendAlong(kind, name)
      } else if (removes === 'all' || !sent.has(name)) {
        removed.push(name)
        if (subscription.names.has(name)) sent.set(name, ABSENT)
        else sent.delete(name)
      }
    }
    if (resources.length === 0 && removed.length === 0) return
    this.#nonce++
    const nonce = this.#nonce.toString(16).padStart(8, '0')
    subscription.inFlight = { nonce, names: [...resources.map(([name]) => name), ...removed] }
    into.push({ kind, nonce, resources, removed })
  }

  /** Names whose version is not the one that Envoy has; undefined for those that are gone. */
  *#changes(kind: XdsKind): Generator<readonly [string, R | undefined]> {
    const { isWildcard, names, sent } = this.#subscription(kind)
    const current = this.#resources?.[kind] ?? new Map<string, R>()
    const wanted = isWildcard ? new Set([...current.keys(), ...names]) : names
    for (const name of wanted) {
      const resource = current.get(name)
      const version = resource?.version ?? ABSENT
      if (sent.get(name) !== version) yield [name, resource]
    }
    for (const name of [...sent.keys()]) {
      if (!wanted.has(name) && !current.has(name)) yield [name, undefined]
    }
  }

  #sendAlong(kind: XdsKind, name: string): void {
    if (kind === 'cluster') this.#subscription('endpoints').sent.delete(name)
    // Names of listeners are those of their routes with the address behind.
    if (kind !== 'listener') return
    const { sent } = this.#subscription('routes')
    for (const routes of [...sent.keys()]) if (name.startsWith(`${routes}:`)) sent.delete(routes)
  }

  #isUnsettled(kind: XdsKind): boolean {
    const subscription = this.#subscription(kind)
    return subscription.inFlight !== undefined
  }

  #subscription(kind: XdsKind): Subscription {
    const subscription = this.#subscriptions.get(kind)
    if (subscription === undefined) throw new Error(`no subscription of kind ${kind}`)
    return subscription
  }
}
