/**
 * The built-in CA's settings, read from the free-form `Config` of a CA configuration (mesh.md 4.5). Pure.
 *
 * Guarantees: what comes out obeys every rule of the table, or BAD_REQUEST with the text that a Consul
 * user knows. Durations may be Go strings or numbers of nanoseconds. Unknown keys are left alone, as
 * they are in Consul.
 */

import type { Json, JsonObject } from '../../core/catalog/types.ts'
import { formatDurationMs, NS_PER_MS, parseDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'

const HOUR_MS = 3_600_000
const LEAF_TTL_MIN_MS = HOUR_MS
const LEAF_TTL_MAX_MS = 8760 * HOUR_MS
const INTERMEDIATE_TTL_MIN_MS = 3 * HOUR_MS

export interface BuiltInCaConfig {
  readonly leafTtlMs: number
  readonly intermediateTtlMs: number
  readonly rootTtlMs: number
  readonly privateKeyType: 'ec' | 'rsa'
  readonly privateKeyBits: number
  /** 0 turns the rate limit off; then `csrMaxConcurrent` counts. */
  readonly csrMaxPerSecond: number
  /** 0 is unlimited. */
  readonly csrMaxConcurrent: number
  /** An operator's own key and root, as given; '' when the CA makes its own. */
  readonly privateKeyPem: string
  readonly rootCertPem: string
}

/** @throws FairleadError BAD_REQUEST */
export function readCaConfig(config: JsonObject): BuiltInCaConfig {
  const privateKeyType = textSetting(config, 'PrivateKeyType', 'ec')
  if (privateKeyType !== 'ec' && privateKeyType !== 'rsa') {
    throw bad("private key type must be either 'ec' or 'rsa'")
  }
  const read: BuiltInCaConfig = {
    leafTtlMs: durationMs(config, 'LeafCertTTL', 72 * HOUR_MS),
    intermediateTtlMs: durationMs(config, 'IntermediateCertTTL', 8760 * HOUR_MS),
    rootTtlMs: durationMs(config, 'RootCertTTL', 87_600 * HOUR_MS),
    privateKeyType,
    privateKeyBits: number(config, 'PrivateKeyBits', privateKeyType === 'ec' ? 256 : 4096),
    csrMaxPerSecond: number(config, 'CSRMaxPerSecond', 50),
    csrMaxConcurrent: number(config, 'CSRMaxConcurrent', 0),
    privateKeyPem: textSetting(config, 'PrivateKey', ''),
    rootCertPem: textSetting(config, 'RootCert', ''),
  }
  checkKey(read)
  if (config['SkipValidate'] !== true) checkTtls(read)
  if (read.rootCertPem !== '' && read.privateKeyPem === '') {
    throw bad('must provide a private key when providing a root cert')
  }
  return read
}

function checkKey({ privateKeyType, privateKeyBits }: BuiltInCaConfig): void {
  if (privateKeyType === 'ec' && ![224, 256, 384, 521].includes(privateKeyBits)) {
    throw bad('EC key length must be one of (224, 256, 384, 521) bits')
  }
  if (privateKeyType === 'rsa' && privateKeyBits !== 2048 && privateKeyBits !== 4096) {
    throw bad('RSA key length must be 2048 or 4096 bits')
  }
}

function checkTtls({ leafTtlMs, intermediateTtlMs, rootTtlMs }: BuiltInCaConfig): void {
  if (leafTtlMs < LEAF_TTL_MIN_MS) {
    throw bad(`leaf cert TTL must be greater or equal than ${formatDurationMs(LEAF_TTL_MIN_MS)}`)
  }
  if (leafTtlMs > LEAF_TTL_MAX_MS) {
    throw bad(`leaf cert TTL must be less than ${formatDurationMs(LEAF_TTL_MAX_MS)}`)
  }
  if (intermediateTtlMs < INTERMEDIATE_TTL_MIN_MS) {
    throw bad('Intermediate Cert TTL must be greater or equal than 3h')
  }
  if (intermediateTtlMs < 3 * leafTtlMs) {
    throw bad(
      `Intermediate Cert TTL must be greater or equal than 3 * LeafCertTTL (>=${formatDurationMs(3 * leafTtlMs)})`,
    )
  }
  if (rootTtlMs < intermediateTtlMs) {
    throw bad(
      `root cert TTL is set and is not greater than intermediate cert ttl. root cert ttl: ${formatDurationMs(rootTtlMs)}, intermediate cert ttl: ${formatDurationMs(intermediateTtlMs)}`,
    )
  }
}

function durationMs(config: JsonObject, key: string, fallback: number): number {
  const value = config[key]
  if (isUnset(value)) return fallback
  const ms =
    typeof value === 'number'
      ? value / NS_PER_MS
      : typeof value === 'string'
        ? parseDurationMs(value)
        : undefined
  if (ms === undefined || !Number.isFinite(ms)) throw bad(`${key} is not a duration`)
  return ms
}

function number(config: JsonObject, key: string, fallback: number): number {
  const value = config[key]
  if (isUnset(value)) return fallback
  const parsed = typeof value === 'string' ? Number(value) : value
  if (typeof parsed !== 'number' || !Number.isFinite(parsed) || parsed < 0) {
    throw bad(`${key} is not a number of zero or more`)
  }
  return parsed
}

/** @throws FairleadError BAD_REQUEST when it is no text */
export function textSetting(config: JsonObject, key: string, fallback: string): string {
  const value = config[key]
  if (isUnset(value)) return fallback
  if (typeof value !== 'string') throw bad(`${key} is not a string`)
  return value
}

function isUnset(value: Json | undefined): value is null | undefined | '' {
  return value === undefined || value === null || value === ''
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
