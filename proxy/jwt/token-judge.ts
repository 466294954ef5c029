/**
 * Tokens of requests, as the providers of the mesh verify them (mesh.md 6.6, 7.13).
 *
 * Never refuses by itself: without a valid token a provider has no payload, and the intention decides. What a
 * provider forwards is taken out of a request that has no valid token, so that nobody can write it himself.
 * Bounds: REMEMBERED_MAX verified tokens a provider; a token's time is judged each time.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { JsonObject } from '../../core/catalog/types.ts'
import { claimsFit } from '../../core/jwt/claims.ts'
import type { JwtLocation, JwtProviderSpec } from '../../core/mesh/proxy-snapshot.ts'
import type { Clock } from '../../core/time.ts'
import { TokenKeys } from '../../runtime/jwt/compact-token.ts'
import type { RequestView } from '../http1/request-view.ts'
import { HeadEdits } from '../routing/head-edits.ts'

const REMEMBERED_MAX = 1024

/** By name of the provider; a name that is missing had no valid token. */
export type Payloads = ReadonlyMap<string, VerifiedToken>

export interface VerifiedToken {
  readonly payload: JsonObject
  readonly token: string
  /** Where it was found. */
  readonly location: JwtLocation
}

interface Provider {
  readonly spec: JwtProviderSpec
  readonly keys: TokenKeys
  readonly remembered: Map<string, JsonObject>
}

export class TokenJudge {
  readonly #clock: Clock
  readonly #providers = new Map<string, Provider>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  update(specs: readonly JwtProviderSpec[] = []): void {
    const gone = new Set(this.#providers.keys())
    for (const spec of specs) {
      gone.delete(spec.name)
      const known = this.#providers.get(spec.name)
      if (known !== undefined && sameData(known.spec, spec)) continue
      const keys = new TokenKeys(spec.keys)
      this.#providers.set(spec.name, { spec, keys, remembered: new Map() })
    }
    for (const name of gone) this.#providers.delete(name)
  }

  /** @param names of the providers that matter */
  payloads(names: readonly string[], view: RequestView): Payloads {
    const found = new Map<string, VerifiedToken>()
    for (const name of names) {
      const provider = this.#providers.get(name)
      const verified = provider === undefined ? undefined : this.#verified(provider, view)
      if (verified !== undefined) found.set(name, verified)
    }
    return found
  }

  /** The head as the application gets it. */
  forwarded(text: string, names: readonly string[], payloads: Payloads): string {
    const remove: string[] = []
    const set: [string, string][] = []
    for (const name of names) {
      const spec = this.#providers.get(name)?.spec
      if (spec === undefined) continue
      const verified = payloads.get(name)
      if (verified?.location.kind === 'header' && !verified.location.isForwarded) {
        remove.push(verified.location.name)
      }
      if (spec.payloadHeader === '') continue
      if (verified === undefined) remove.push(spec.payloadHeader)
      else set.push([spec.payloadHeader, payloadText(verified.token, spec.isPayloadPadded)])
    }
    return HeadEdits.of({ remove, set, add: [] })?.apply(text) ?? text
  }

  #verified(provider: Provider, view: RequestView): VerifiedToken | undefined {
    const { spec, remembered } = provider
    for (const location of spec.locations) {
      const token = tokenAt(location, view)
      if (token === undefined) continue
      const payload = remembered.get(token) ?? provider.keys.verify(token)
      if (payload === undefined) continue
      if (!remembered.has(token)) remember(remembered, token, payload)
      if (claimsFit(payload, spec, this.#clock.wall())) return { payload, token, location }
    }
    return undefined
  }
}

function tokenAt(location: JwtLocation, view: RequestView): string | undefined {
  switch (location.kind) {
    case 'query':
      return view.query(location.name)
    case 'cookie':
      return cookieAt(view.header('cookie') ?? '', location.name)
    case 'header': {
      const value = view.header(location.name)
      if (value === undefined) return undefined
      const { prefix } = location
      return value.startsWith(prefix) ? value.slice(prefix.length).trim() : undefined
    }
  }
}

/** Two cookies of one name are two opinions: the first counts, as for servers that read RFC 6265 lists. */
function cookieAt(header: string, name: string): string | undefined {
  for (const pair of header.split(/[;,]/)) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  }
  return undefined
}

function remember(known: Map<string, JsonObject>, token: string, payload: JsonObject): void {
  known.set(token, payload)
  if (known.size <= REMEMBERED_MAX) return
  for (const oldest of known.keys()) {
    known.delete(oldest)
    return
  }
}

function payloadText(token: string, isPadded: boolean): string {
  const payload = token.split('.')[1] ?? ''
  return isPadded ? payload.padEnd(Math.ceil(payload.length / 4) * 4, '=') : payload
}
