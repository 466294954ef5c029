/**
 * Rules that an intention must obey before it is stored, with the texts of mesh.md 6.7. Pure.
 *
 * Guarantees: a normalised intention without a problem is fully enforceable by decide.ts and
 * permissions.ts (every regular expression compiles, exactly one of action and permissions decides).
 * Does not ask whether the destination speaks HTTP: that is config of the service, not of the rule.
 * Bounds: PERMISSIONS_MAX, HEADERS_MAX, NAME_LENGTH_MAX, PATTERN_LENGTH_MAX, META_* and
 * DESCRIPTION_LENGTH_MAX (bytes).
 */

import type { IntentionWrite } from '../catalog/commands.ts'
import { goQuote } from '../catalog/go-quote.ts'
import type { IntentionHeaderMatch, IntentionPermission } from '../catalog/types.ts'
import { regexProblem } from '../filter/regex.ts'
import { methodsProblem } from '../mesh/http-methods.ts'
import { openConnectionsProblem } from './open-connections.ts'
import { WILDCARD } from './precedence.ts'

export const DESCRIPTION_LENGTH_MAX = 512
export const META_PAIRS_MAX = 64
export const META_KEY_LENGTH_MAX = 128
export const META_VALUE_LENGTH_MAX = 512
export const NAME_LENGTH_MAX = 1024
export const PERMISSIONS_MAX = 256
export const HEADERS_MAX = 64
export const PATTERN_LENGTH_MAX = 2048
export const JWT_PROVIDERS_MAX = 16
export const JWT_CLAIMS_MAX = 32

/** Methods in upper case, as they are stored and compared. */
export function normalizeIntention(intention: IntentionWrite): IntentionWrite {
  if (!intention.permissions.some(hasLowerCaseMethod)) return intention
  return { ...intention, permissions: intention.permissions.map(upperCaseMethods) }
}

/**
 * @param at what the texts call the rule; the position in its entry where one is known
 * @returns the first problem, or undefined
 */
export function validateIntention(
  intention: IntentionWrite,
  at = 'Sources[0]',
): string | undefined {
  const { sourceName, destinationName, action, permissions } = intention
  if (destinationName === '') return 'Name is required'
  const destination = nameProblem(destinationName)
  if (destination !== undefined) return `Name: ${destination}`
  if (sourceName === '') return `${at}.Name is required`
  const source = nameProblem(sourceName)
  if (source !== undefined) return `${at}.Name: ${source}`
  if (utf8Length(intention.description) > DESCRIPTION_LENGTH_MAX) {
    return `${at}.Description exceeds maximum length ${DESCRIPTION_LENGTH_MAX}`
  }
  const meta = metaProblem(intention.meta) ?? openConnectionsProblem(intention.meta)
  if (meta !== undefined) return meta
  const token = jwtProblem(intention)
  if (token !== undefined) return token
  if (permissions.length === 0) {
    return action === '' ? `${at}.Action must be set to 'allow' or 'deny'` : undefined
  }
  if (action !== '') return `${at}.Action must be omitted if Permissions are specified`
  if (destinationName === WILDCARD) {
    return `${at}.Permissions cannot be specified on intentions with wildcarded destinations`
  }
  if (permissions.length > PERMISSIONS_MAX) {
    return `${at}.Permissions exceeds maximum element count ${PERMISSIONS_MAX}`
  }
  for (const [i, permission] of permissions.entries()) {
    const problem = permissionProblem(permission)
    if (problem !== undefined) return `${at}.Permissions[${i}].${problem}`
  }
  return undefined
}

function jwtProblem({ jwt, permissions }: IntentionWrite): string | undefined {
  for (const each of [jwt, ...permissions.map((permission) => permission.jwt)]) {
    if (each === undefined) continue
    const { providers } = each
    if (providers.length === 0) return 'JWT requires at least one provider'
    if (providers.length > JWT_PROVIDERS_MAX) {
      return `JWT.Providers exceeds maximum element count ${JWT_PROVIDERS_MAX}`
    }
    for (const { name, verifyClaims = [] } of providers) {
      if (name === '') return 'JWT provider name is required'
      if (verifyClaims.length > JWT_CLAIMS_MAX) {
        return `JWT.Providers.VerifyClaims exceeds maximum element count ${JWT_CLAIMS_MAX}`
      }
      if (verifyClaims.some(({ path }) => path.length === 0)) {
        return `JWT provider ${goQuote(name)} verifies a claim without a Path`
      }
    }
  }
  return undefined
}

function nameProblem(name: string): string | undefined {
  if (name !== WILDCARD && name.includes(WILDCARD)) {
    return "wildcard character '*' cannot be used with partial values"
  }
  if (name.includes('\0')) return 'must not contain a NUL character'
  if (utf8Length(name) > NAME_LENGTH_MAX) return `exceeds maximum length ${NAME_LENGTH_MAX}`
  return undefined
}

/** Limits shared by every `Meta` of a config entry or intention (mesh.md 7). */
export function metaProblem(meta: Readonly<Record<string, string>>): string | undefined {
  const pairs = Object.entries(meta)
  if (pairs.length > META_PAIRS_MAX) return `Meta exceeds maximum element count ${META_PAIRS_MAX}`
  for (const [key, value] of pairs) {
    if (utf8Length(key) > META_KEY_LENGTH_MAX) {
      return `Meta key ${goQuote(key)} exceeds maximum length ${META_KEY_LENGTH_MAX}`
    }
    if (utf8Length(value) > META_VALUE_LENGTH_MAX) {
      return `Meta value for key ${goQuote(key)} exceeds maximum length ${META_VALUE_LENGTH_MAX}`
    }
  }
  return undefined
}

function permissionProblem(permission: IntentionPermission): string | undefined {
  if (permission.action !== 'allow' && permission.action !== 'deny') {
    return "Action must be set to 'allow' or 'deny'"
  }
  const { http } = permission
  const paths = [http.pathExact, http.pathPrefix, http.pathRegex].filter(isSet)
  const headers = http.header ?? []
  const methods = http.methods ?? []
  if (paths.length === 0 && headers.length === 0 && methods.length === 0) {
    return 'HTTP should not be empty'
  }
  for (const [field, value] of [
    ['PathExact', http.pathExact],
    ['PathPrefix', http.pathPrefix],
  ] as const) {
    if (isSet(value) && !value.startsWith('/')) {
      return `HTTP.${field} doesn't start with '/': ${goQuote(value)}`
    }
  }
  if (paths.length > 1) {
    return 'HTTP should only contain at most one of PathExact, PathPrefix, or PathRegex'
  }
  const path = patternProblem(paths[0] ?? '', isSet(http.pathRegex))
  if (path !== undefined) return `HTTP.Path${isSet(http.pathRegex) ? 'Regex' : ''} ${path}`
  if (headers.length > HEADERS_MAX)
    return `HTTP.Header exceeds maximum element count ${HEADERS_MAX}`
  for (const [k, header] of headers.entries()) {
    const problem = headerProblem(header)
    if (problem !== undefined) return `HTTP.Header[${k}] ${problem}`
  }
  const problem = methodsProblem(methods)
  return problem === undefined ? undefined : `HTTP.${problem}`
}

function headerProblem(match: IntentionHeaderMatch): string | undefined {
  if (match.name === '') return 'missing required Name field'
  const values = [match.exact, match.prefix, match.suffix, match.contains]
  const comparisons = values.filter(isSet)
  const kinds = comparisons.length + (match.present === true ? 1 : 0) + (isSet(match.regex) ? 1 : 0)
  if (kinds !== 1) {
    return 'should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex'
  }
  if (match.ignoreCase === true && comparisons.length === 0) {
    return 'should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase'
  }
  return patternProblem(match.regex ?? comparisons[0] ?? '', isSet(match.regex))
}

function patternProblem(text: string, isRegex: boolean): string | undefined {
  if (text.length > PATTERN_LENGTH_MAX) return `exceeds maximum length ${PATTERN_LENGTH_MAX}`
  const problem = isRegex ? regexProblem(text) : undefined
  return problem === undefined ? undefined : `is not a valid regular expression: ${problem}`
}

function hasLowerCaseMethod(permission: IntentionPermission): boolean {
  return (permission.http.methods ?? []).some((method) => method !== method.toUpperCase())
}

function upperCaseMethods(permission: IntentionPermission): IntentionPermission {
  if (!hasLowerCaseMethod(permission)) return permission
  const methods = (permission.http.methods ?? []).map((method) => method.toUpperCase())
  return { ...permission, http: { ...permission.http, methods } }
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}

/** Bytes of the text in UTF-8, without encoding it. */
function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) bytes += 1
    if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes += 1
  }
  return bytes
}
