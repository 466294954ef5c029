/**
 * The keys behind the URLs of auth methods (RFC 7517, OpenID Connect Discovery 1.0), as they are now.
 *
 * Guarantees: a set counts for FRESH_MS; while it cannot be fetched anew the old one counts on, for LONGEST_MS since it
 * was fetched, so that a key that was withdrawn is not trusted for ever. One fetch at a time for one URL, whose failure
 * stands for REFETCH_MS: whoever sends tokens cannot make this server ask faster.
 * Bounds: KEY_SETS_MAX sets, KEYS_BYTES_MAX bytes each.
 */

import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { JwtSettings } from '../../core/acl/auth-method.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { plainCall } from '../http/plain-call.ts'

export const FRESH_MS = 10 * 60_000
export const LONGEST_MS = 60 * 60_000
/** Also for a token with a key that is not known. */
export const REFETCH_MS = 10_000
const KEY_SETS_MAX = 64
const KEYS_BYTES_MAX = 512 * 1024
const FETCH_TIMEOUT_MS = 5_000

export interface KeySet {
  readonly keys: JWTVerifyGetKey
  /** Of the discovery document; '' where the URL is that of the keys. */
  readonly issuer: string
}

type Source = Pick<JwtSettings, 'discoveryUrl' | 'jwksUrl' | 'caCert'>

interface Known {
  set: (KeySet & { readonly fetchedAt: Instant }) | undefined
  failure: { readonly error: FairleadError; readonly at: Instant } | undefined
  fetching: Promise<KeySet> | undefined
}

export class KeySets {
  readonly #clock: Clock
  /** By URLs and authorities. */
  readonly #known = new Map<string, Known>()

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /**
   * @param again the set that is known lacks a key
   * @throws FairleadError REJECTED when the keys cannot be had
   */
  async of(source: Source, again = false): Promise<KeySet> {
    const known = this.#entryOf(source)
    const { set } = known
    const ageMs = set === undefined ? Number.POSITIVE_INFINITY : this.#since(set.fetchedAt)
    if (set !== undefined && ageMs < (again ? REFETCH_MS : FRESH_MS)) return set
    try {
      return await this.#fetched(source, known)
    } catch (thrown) {
      if (set === undefined || ageMs >= LONGEST_MS) throw thrown
      return set
    }
  }

  #entryOf({ discoveryUrl, jwksUrl, caCert }: Source): Known {
    const name = JSON.stringify([discoveryUrl, jwksUrl, caCert])
    let known = this.#known.get(name)
    if (known === undefined) {
      if (this.#known.size >= KEY_SETS_MAX) this.#known.clear()
      known = { set: undefined, failure: undefined, fetching: undefined }
      this.#known.set(name, known)
    }
    return known
  }

  #fetched(source: Source, known: Known): Promise<KeySet> {
    const { failure } = known
    if (failure !== undefined && this.#since(failure.at) < REFETCH_MS) {
      return Promise.reject(failure.error)
    }
    known.fetching ??= this.#fetch(source, known).finally(() => {
      known.fetching = undefined
    })
    return known.fetching
  }

  async #fetch(source: Source, known: Known): Promise<KeySet> {
    try {
      const fetchedAt = this.#clock.now()
      known.set = { ...(await download(source)), fetchedAt }
      known.failure = undefined
      return known.set
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const error = new FairleadError(
        'REJECTED',
        `cannot get the keys of the auth method: ${reason}`,
        { cause },
      )
      known.failure = { error, at: this.#clock.now() }
      throw error
    }
  }

  #since(at: Instant): number {
    return this.#clock.now() - at
  }
}

async function download({ discoveryUrl, jwksUrl, caCert }: Source): Promise<KeySet> {
  const found = jwksUrl === '' ? await discover(discoveryUrl, caCert) : { issuer: '', url: jwksUrl }
  const set = JSON.parse(await get(found.url, caCert)) as JSONWebKeySet
  return { keys: createLocalJWKSet(set), issuer: found.issuer }
}

async function discover(
  discoveryUrl: string,
  caCert: string,
): Promise<{ readonly issuer: string; readonly url: string }> {
  const base = discoveryUrl.replace(/\/+$/, '')
  const found = JSON.parse(await get(`${base}/.well-known/openid-configuration`, caCert)) as {
    readonly jwks_uri?: unknown
    readonly issuer?: unknown
  }
  if (typeof found.jwks_uri !== 'string') throw new Error('the discovery document has no jwks_uri')
  if (typeof found.issuer !== 'string') throw new Error('the discovery document has no issuer')
  // OpenID Connect Discovery 1.0 section 4.3: the document of one issuer must not speak for another.
  if (found.issuer.replace(/\/+$/, '') !== base) {
    throw new Error(`the discovery document is that of the issuer ${JSON.stringify(found.issuer)}`)
  }
  return { issuer: found.issuer, url: found.jwks_uri }
}

async function get(url: string, caCert: string): Promise<string> {
  const { status, body } = await plainCall({
    url: new URL(url),
    method: 'GET',
    timeoutMs: FETCH_TIMEOUT_MS,
    bytesMax: KEYS_BYTES_MAX,
    ...(caCert === '' ? {} : { caPem: caCert }),
  })
  if (status !== 200) throw new Error(`${url} answered ${status}`)
  return body
}
