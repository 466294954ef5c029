/**
 * What an auth method must say, and what it says (http-api.md 24.4). Pure.
 *
 * Guarantees: one that was let through can be used as it is. Here is `jwt`; the types that need a platform
 * (kubernetes, aws-iam) and a browser (oidc) are refused by name.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { parseDurationMs } from '../duration.ts'
import type { AuthMethodRecord, AuthMethodWrite } from './records.ts'

const ELSEWHERE = ['kubernetes', 'aws-iam', 'oidc']
const SIGNATURES = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
]
const TTL_MIN_MS = 60_000
const TTL_MAX_MS = 24 * 3_600_000
const DEFAULT_LEEWAY_MS = 150_000
const DEFAULT_SKEW_MS = 60_000

const TEXTS = ['OIDCDiscoveryURL', 'OIDCDiscoveryCACert', 'JWKSURL', 'JWKSCACert', 'BoundIssuer']
const LISTS = ['JWTValidationPubKeys', 'BoundAudiences', 'JWTSupportedAlgs']
const MAPS = ['ClaimMappings', 'ListClaimMappings']
const LEEWAYS = ['ExpirationLeeway', 'NotBeforeLeeway', 'ClockSkewLeeway']

/** Settings of a method of the type jwt. */
export interface JwtSettings {
  readonly publicKeys: readonly string[]
  readonly discoveryUrl: string
  readonly jwksUrl: string
  /** PEM of the authorities for either URL, '' for those of the system. */
  readonly caCert: string
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly algorithms: readonly string[]
  readonly claims: Readonly<Record<string, string>>
  readonly listClaims: Readonly<Record<string, string>>
  readonly expirationLeewayMs: number
  readonly notBeforeLeewayMs: number
  readonly clockSkewMs: number
}

export function isLoginMethod({ type }: Pick<AuthMethodRecord, 'type'>): boolean {
  return type === 'jwt'
}

export function loginSettings(method: AuthMethodRecord): {
  readonly maxTokenTtlMs: number
  readonly isLocal: boolean
} {
  const { maxTokenTtl, tokenLocality } = method
  const maxTokenTtlMs = maxTokenTtl === '' ? 0 : (parseDurationMs(maxTokenTtl) ?? 0)
  return { maxTokenTtlMs, isLocal: tokenLocality !== 'global' }
}

/** @returns what is wrong, undefined for nothing */
export function authMethodProblem(method: AuthMethodWrite): string | undefined {
  const { name, type, maxTokenTtl, tokenLocality, config } = method
  if (name === '') return 'Invalid Auth Method: no Name is set'
  if (ELSEWHERE.includes(type)) {
    return `Invalid Auth Method: the Type "${type}" is not supported by this version of Fairlead; use jwt`
  }
  if (type !== 'jwt') return 'Invalid Auth Method: Type should be one of: [jwt]'
  if (tokenLocality !== '' && tokenLocality !== 'local' && tokenLocality !== 'global') {
    return 'Invalid Auth Method: TokenLocality should be one of "local" or "global"'
  }
  if (maxTokenTtl !== '') {
    const ttlMs = parseDurationMs(maxTokenTtl)
    if (ttlMs === undefined)
      return `Invalid Auth Method: MaxTokenTTL "${maxTokenTtl}" is no duration`
    if (ttlMs !== 0 && (ttlMs < TTL_MIN_MS || ttlMs > TTL_MAX_MS)) {
      return `MaxTokenTTL ${maxTokenTtl} cannot be less than 1m0s or more than 24h0m0s`
    }
  }
  return jwtProblem(config)
}

export function jwtSettings({ config }: Pick<AuthMethodRecord, 'config'>): JwtSettings {
  return {
    publicKeys: textsAt(config, 'JWTValidationPubKeys'),
    discoveryUrl: textAt(config, 'OIDCDiscoveryURL'),
    jwksUrl: textAt(config, 'JWKSURL'),
    caCert: textAt(config, 'OIDCDiscoveryCACert') || textAt(config, 'JWKSCACert'),
    issuer: textAt(config, 'BoundIssuer'),
    audiences: textsAt(config, 'BoundAudiences'),
    algorithms: orDefault(textsAt(config, 'JWTSupportedAlgs')),
    claims: mapAt(config, 'ClaimMappings'),
    listClaims: mapAt(config, 'ListClaimMappings'),
    expirationLeewayMs: leewayAt(config, 'ExpirationLeeway', DEFAULT_LEEWAY_MS),
    notBeforeLeewayMs: leewayAt(config, 'NotBeforeLeeway', DEFAULT_LEEWAY_MS),
    clockSkewMs: leewayAt(config, 'ClockSkewLeeway', DEFAULT_SKEW_MS),
  }
}

function orDefault(algorithms: readonly string[]): readonly string[] {
  return algorithms.length === 0 ? ['RS256'] : algorithms
}

function jwtProblem(config: JsonObject): string | undefined {
  const problem = shapeProblem(config)
  if (problem !== undefined) return `Invalid Auth Method: Config.${problem}`
  const settings = jwtSettings({ config })
  const sources = [
    settings.publicKeys.length > 0,
    settings.discoveryUrl !== '',
    settings.jwksUrl !== '',
  ]
  if (sources.filter((isSet) => isSet).length !== 1) {
    return "Invalid Auth Method: exactly one of 'JWTValidationPubKeys', 'JWKSURL', or 'OIDCDiscoveryURL' must be set for type \"jwt\""
  }
  for (const [name, url] of [
    ['OIDCDiscoveryURL', settings.discoveryUrl],
    ['JWKSURL', settings.jwksUrl],
  ]) {
    if (url !== '' && !/^https?:\/\/[^/]/.test(url ?? '')) {
      return `Invalid Auth Method: Config.${name} "${url}" is no URL of http or https`
    }
  }
  const odd = settings.algorithms.find((name) => !SIGNATURES.includes(name))
  if (odd !== undefined) {
    return `Invalid Auth Method: Invalid supported algorithm: ${odd}; use some of ${SIGNATURES.join(', ')}`
  }
  const targets = [...Object.values(settings.claims), ...Object.values(settings.listClaims)]
  const bad = targets.find((name) => !/^[A-Za-z0-9_]+$/.test(name))
  return bad === undefined
    ? undefined
    : `Invalid Auth Method: ClaimMappings: "${bad}" may have letters, digits and "_" alone`
}

function shapeProblem(config: JsonObject): string | undefined {
  for (const [key, value] of Object.entries(config)) {
    if (TEXTS.includes(key)) {
      if (typeof value !== 'string') return `${key}: expected a text`
    } else if (LISTS.includes(key)) {
      if (value !== null && !isTexts(value)) return `${key}: expected a list of texts`
    } else if (MAPS.includes(key)) {
      if (value !== null && !isTextMap(value)) return `${key}: expected texts by name`
    } else if (LEEWAYS.includes(key)) {
      if (leewayOf(value) === undefined) return `${key}: expected a duration such as "60s"`
    } else return `${key} is not known for the type jwt`
  }
  return undefined
}

/** A number counts nanoseconds, as durations in Go's JSON do; a negative one asks for none. */
function leewayOf(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return value < 0 ? 0 : value / 1e6
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined
  return ms === undefined ? undefined : Math.max(0, ms)
}

function leewayAt(config: JsonObject, key: string, fallback: number): number {
  const value = own(config, key)
  if (value === undefined || value === 0 || value === '' || value === '0s') return fallback
  return leewayOf(value) ?? fallback
}

function textAt(config: JsonObject, key: string): string {
  const value = own(config, key)
  return typeof value === 'string' ? value : ''
}

function textsAt(config: JsonObject, key: string): readonly string[] {
  const value = own(config, key)
  return isTexts(value) ? value : []
}

function mapAt(config: JsonObject, key: string): Readonly<Record<string, string>> {
  const value = own(config, key)
  return isTextMap(value) ? value : {}
}

function isTexts(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isTextMap(value: Json | undefined): value is Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((item) => typeof item === 'string')
}

function own(config: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(config, key) ? config[key] : undefined
}
