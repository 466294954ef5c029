/**
 * Verifies the JWT of a login against its auth method, and reads who it speaks of (http-api.md 24.4).
 *
 * Guarantees: only the algorithms that the method names are taken, none of them symmetric; issuer, audience and times
 * are checked with the method's leeways; a claim that is mapped and absent is empty. Says why a token is refused
 * without repeating any of it. The issuer of a discovery document counts where the method names none.
 * Bounds: BEARER_LENGTH_MAX characters; those of key-sets.ts.
 */

import { errors, importSPKI, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { type JwtSettings, jwtSettings } from '../../core/acl/auth-method.ts'
import type { VerifiedIdentity } from '../../core/acl/binding-rules.ts'
import type { AuthMethodRecord } from '../../core/acl/records.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { KeySets } from './key-sets.ts'

export const BEARER_LENGTH_MAX = 64 * 1024

export class JwtVerifier {
  readonly #clock: Clock
  readonly #keySets: KeySets

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
    this.#keySets = new KeySets({ clock })
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
    if (settings.publicKeys.length > 0) {
      return verifiedByAny(await staticKeys(settings), bearer, optionsOf(settings, ''))
    }
    try {
      return await this.#byKeySet(settings, bearer, false)
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey)) throw asRefusal(thrown)
    }
    try {
      return await this.#byKeySet(settings, bearer, true)
    } catch (thrown) {
      throw asRefusal(thrown)
    }
  }

  async #byKeySet(settings: JwtSettings, bearer: string, again: boolean): Promise<JWTPayload> {
    const { keys, issuer } = await this.#keySets.of(settings, again)
    return (await jwtVerify(bearer, keys, optionsOf(settings, issuer))).payload
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
}

/** Times are checked by the verifier, with a leeway of their own each. @param discovered '' where none was */
function optionsOf(
  { algorithms, issuer, audiences }: JwtSettings,
  discovered: string,
): JWTVerifyOptions {
  const bound = issuer === '' ? discovered : issuer
  return {
    algorithms: [...algorithms],
    currentDate: new Date(0),
    clockTolerance: Number.MAX_SAFE_INTEGER / 2,
    ...(bound === '' ? {} : { issuer: bound }),
    ...(audiences.length === 0 ? {} : { audience: [...audiences] }),
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
  options: JWTVerifyOptions,
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
