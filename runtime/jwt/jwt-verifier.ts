/**
 * Verifies the JWT of a login against its auth method, and reads who it speaks of (http-api.md 24.4).
 *
 * Guarantees: only the algorithms that the method names are taken, none of them symmetric; issuer, audience and times
 * are checked with the method's leeways; a claim that is mapped and absent is left out. Says why a token is refused
 * without repeating any of it. Keys behind a URL are fetched with a deadline and a bound on their size, and kept
 * until a token names another key.
 * Bounds: BEARER_LENGTH_MAX characters, KEY_SETS_MAX sets of keys, KEYS_BYTES_MAX bytes each.
 */

import type { IncomingMessage } from 'node:http'
import { request as requestPlain } from 'node:http'
import { request } from 'node:https'
import {
  createLocalJWKSet,
  errors,
  importSPKI,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { type JwtSettings, jwtSettings } from '../../core/acl/auth-method.ts'
import type { VerifiedIdentity } from '../../core/acl/binding-rules.ts'
import type { AuthMethodRecord } from '../../core/acl/records.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../clock/with-deadline.ts'

export const BEARER_LENGTH_MAX = 64 * 1024
const KEY_SETS_MAX = 64
const KEYS_BYTES_MAX = 512 * 1024
const FETCH_TIMEOUT_MS = 5_000
/** A token with a key that is not known has the keys fetched again, this often at most. */
const REFETCH_MS = 10_000

interface KeySet {
  readonly keys: JWTVerifyGetKey
  readonly fetchedAt: number
}

export class JwtVerifier {
  readonly #clock: Clock
  /** By URL and authorities. */
  readonly #sets = new Map<string, KeySet>()

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** @throws FairleadError PERMISSION_DENIED, REJECTED when the keys cannot be had */
  async verify(method: AuthMethodRecord, bearer: string): Promise<VerifiedIdentity> {
    if (bearer.length > BEARER_LENGTH_MAX) throw refused('it is too long')
    const settings = jwtSettings(method)
    const payload = await this.#payload(settings, bearer)
    this.#checkTimes(payload, settings)
    return identityOf(payload, settings)
  }

  async #payload(settings: JwtSettings, bearer: string): Promise<JWTPayload> {
    // Times are checked here, with a leeway of their own each.
    const options = {
      algorithms: [...settings.algorithms],
      currentDate: new Date(0),
      clockTolerance: Number.MAX_SAFE_INTEGER / 2,
      ...(settings.issuer === '' ? {} : { issuer: settings.issuer }),
      ...(settings.audiences.length === 0 ? {} : { audience: [...settings.audiences] }),
    }
    if (settings.publicKeys.length > 0) {
      return verifiedByAny(await staticKeys(settings), bearer, options)
    }
    try {
      const { payload } = await jwtVerify(
        bearer,
        (await this.#keysOf(settings, false)).keys,
        options,
      )
      return payload
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey)) throw asRefusal(thrown)
    }
    try {
      const { payload } = await jwtVerify(
        bearer,
        (await this.#keysOf(settings, true)).keys,
        options,
      )
      return payload
    } catch (thrown) {
      throw asRefusal(thrown)
    }
  }

  #checkTimes({ exp, nbf, iat }: JWTPayload, settings: JwtSettings): void {
    const now = this.#clock.wall()
    const { clockSkewMs, expirationLeewayMs, notBeforeLeewayMs } = settings
    if (exp === undefined && nbf === undefined && iat === undefined) {
      throw refused('it has none of the claims iat, nbf and exp')
    }
    const start = (nbf ?? iat ?? (exp ?? 0) - expirationLeewayMs / 1000) * 1000
    const end = exp === undefined ? start + expirationLeewayMs : exp * 1000
    if (now >= end + clockSkewMs) throw refused('it has expired')
    if (nbf !== undefined && now < start - clockSkewMs) throw refused('it is not valid yet')
    const begin = nbf === undefined ? start - notBeforeLeewayMs : start
    if (now < begin - clockSkewMs) throw refused('it is not valid yet')
    if (iat !== undefined && iat * 1000 > now + clockSkewMs) throw refused('it is from the future')
  }

  async #keysOf(settings: JwtSettings, again: boolean): Promise<KeySet> {
    const { discoveryUrl, jwksUrl, caCert } = settings
    const name = JSON.stringify([discoveryUrl, jwksUrl, caCert])
    const known = this.#sets.get(name)
    const now = this.#clock.now()
    if (known !== undefined && (!again || now - known.fetchedAt < REFETCH_MS)) return known
    try {
      const url = jwksUrl === '' ? await this.#discover(settings) : jwksUrl
      const found = JSON.parse(await this.#fetch(url, caCert)) as JSONWebKeySet
      const set = { keys: createLocalJWKSet(found), fetchedAt: now }
      if (this.#sets.size >= KEY_SETS_MAX) this.#sets.clear()
      this.#sets.set(name, set)
      return set
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new FairleadError('REJECTED', `cannot get the keys of the auth method: ${reason}`, {
        cause,
      })
    }
  }

  async #discover({ discoveryUrl, caCert }: JwtSettings): Promise<string> {
    const base = discoveryUrl.replace(/\/+$/, '')
    const text = await this.#fetch(`${base}/.well-known/openid-configuration`, caCert)
    const found = JSON.parse(text) as { readonly jwks_uri?: unknown; readonly issuer?: unknown }
    if (typeof found.jwks_uri === 'string') return found.jwks_uri
    throw new FairleadError('REJECTED', 'the discovery document has no jwks_uri')
  }

  #fetch(url: string, caCert: string): Promise<string> {
    return withDeadline(this.#clock, FETCH_TIMEOUT_MS, new AbortController().signal, (signal) =>
      download(url, caCert, signal),
    )
  }
}

async function staticKeys({ publicKeys, algorithms }: JwtSettings): Promise<readonly CryptoKey[]> {
  const found: CryptoKey[] = []
  for (const pem of publicKeys) {
    for (const algorithm of algorithms) {
      // A key of one kind fits some algorithms alone.
      const key = await importSPKI(pem, algorithm).catch(() => undefined)
      if (key !== undefined) found.push(key)
    }
  }
  if (found.length === 0) throw refused('the auth method has no key for its algorithms')
  return found
}

async function verifiedByAny(
  keys: readonly CryptoKey[],
  bearer: string,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  let last: unknown
  for (const key of keys) {
    try {
      return (await jwtVerify(bearer, key, options)).payload
    } catch (thrown) {
      last = thrown
    }
  }
  throw asRefusal(last)
}

function download(url: string, caCert: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      if (response.statusCode !== 200) {
        response.destroy()
        reject(new Error(`${url} answered ${response.statusCode}`))
        return
      }
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > KEYS_BYTES_MAX)
          response.destroy(new Error(`${url} has over ${KEYS_BYTES_MAX} bytes`))
        else chunks.push(chunk)
      })
      response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
      response.once('error', reject)
    }
    const outgoing = url.startsWith('https:')
      ? request(url, { signal, ...(caCert === '' ? {} : { ca: caCert }) }, take)
      : requestPlain(url, { signal }, take)
    outgoing.once('error', reject)
    outgoing.end()
  })
}

function identityOf(payload: JWTPayload, { claims, listClaims }: JwtSettings): VerifiedIdentity {
  const values: Record<string, string> = {}
  for (const [claim, name] of Object.entries(claims)) {
    const value = claimAt(payload, claim)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      values[name] = String(value)
    } else values[name] = ''
  }
  const lists: Record<string, readonly string[]> = {}
  for (const [claim, name] of Object.entries(listClaims)) {
    const value = claimAt(payload, claim)
    const items = Array.isArray(value) ? value : value === undefined ? [] : [value]
    lists[name] = items.filter((item) => typeof item === 'string')
  }
  return { values, lists }
}

/** `/a/b` goes into nested claims. */
function claimAt(payload: JWTPayload, claim: string): unknown {
  const path = claim.startsWith('/') ? claim.slice(1).split('/') : [claim]
  let at: unknown = payload
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = (at as Record<string, unknown>)[key]
  }
  return at
}

function asRefusal(thrown: unknown): FairleadError {
  if (thrown instanceof FairleadError) return thrown
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    return refused(`its claim "${thrown.claim}" does not fit`)
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed) return refused('its algorithm is not allowed')
  return refused('its signature cannot be verified')
}

function refused(reason: string): FairleadError {
  return new FairleadError('PERMISSION_DENIED', `Permission denied: the JWT is refused: ${reason}`)
}
