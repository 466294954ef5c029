/**
 * Whether one HTTP request passes an intention that has permissions (mesh.md 6.5). Pure.
 *
 * Permissions are tried in order and the first that matches decides; none matching gives the default
 * action, never the next intention. Regular expressions are RE2 (linear time) and must match the whole
 * value. A missing header matches no comparison, inverted or not, as in Envoy; only an inverted
 * `present` asks for absence. Does not normalise paths: the proxy does so before asking.
 * A permission with a token matches only with one; a request that lacks the token of a permission to allow is not
 * let in by the default action, which here is stricter than Envoy by way of Consul.
 * Compiled once per list of permissions (a WeakMap); a request then allocates nothing, except one
 * lower-cased header value where `ignoreCase` asks for it. Bounds of patterns: core/filter/regex.ts.
 */

import type {
  IntentionAction,
  IntentionHeaderMatch,
  IntentionJwt,
  IntentionPermission,
  IntentionRecord,
} from '../catalog/types.ts'
import { compileWholeRegex, regexProblem } from '../filter/regex.ts'
import { satisfies, type VerifiedPayload } from './jwt.ts'

/** What a permission can look at. */
export interface PermissionRequest {
  /** Upper case, as on the wire. */
  readonly method: string
  /** Normalised, without the query. */
  readonly path: string
  /** @param name lower case. @returns the value, several joined by commas, or undefined when absent */
  header(name: string): string | undefined
  /** What the request's token of a provider says, if it has a valid one. */
  readonly payload?: VerifiedPayload | undefined
}

type RequestTest = (request: PermissionRequest) => boolean
type TextTest = (value: string) => boolean

interface CompiledPermission {
  readonly allows: boolean
  readonly jwt: IntentionJwt | undefined
  readonly tests: readonly RequestTest[]
}

const compiledRules = new WeakMap<readonly IntentionPermission[], readonly CompiledPermission[]>()

/**
 * Judges one request by the permissions of the rule that decided its connection.
 *
 * @returns true when the request may pass
 */
export function permits(
  rule: Pick<IntentionRecord, 'permissions'> & Partial<Pick<IntentionRecord, 'action' | 'jwt'>>,
  request: PermissionRequest,
  defaultAction: IntentionAction,
): boolean {
  const isAllowed =
    rule.permissions.length === 0 && rule.jwt !== undefined
      ? rule.action === 'allow'
      : byPermissions(rule.permissions, request, defaultAction)
  return isAllowed && (rule.jwt === undefined || hasToken(rule.jwt, request))
}

function byPermissions(
  permissions: readonly IntentionPermission[],
  request: PermissionRequest,
  defaultAction: IntentionAction,
): boolean {
  const compiled = compiledRules.get(permissions) ?? compileRule(permissions)
  let lacksToken = false
  for (let i = 0; i < compiled.length; i++) {
    const { allows, jwt, tests } = compiled[i] as CompiledPermission
    if (!matchesAll(tests, request)) continue
    if (jwt === undefined || hasToken(jwt, request)) return allows
    lacksToken ||= allows
  }
  return !lacksToken && defaultAction === 'allow'
}

function hasToken(jwt: IntentionJwt, { payload }: PermissionRequest): boolean {
  return payload !== undefined && satisfies(jwt, payload)
}

function matchesAll(tests: readonly RequestTest[], request: PermissionRequest): boolean {
  for (let i = 0; i < tests.length; i++) {
    if (!(tests[i] as RequestTest)(request)) return false
  }
  return true
}

function compileRule(permissions: readonly IntentionPermission[]): readonly CompiledPermission[] {
  const compiled = permissions.map(compilePermission)
  compiledRules.set(permissions, compiled)
  return compiled
}

function compilePermission(permission: IntentionPermission): CompiledPermission {
  const allows = permission.action === 'allow'
  const tests: RequestTest[] = []
  const { methods, header } = permission.http
  if (methods !== undefined && methods.length > 0) {
    const allowed = new Set(methods.map((method) => method.toUpperCase()))
    tests.push((request) => allowed.has(request.method))
  }
  const path = compilePath(permission, allows)
  if (path !== undefined) tests.push((request) => path(request.path))
  for (const match of header ?? []) tests.push(compileHeader(match, allows))
  return { allows, jwt: permission.jwt, tests }
}

function compilePath(permission: IntentionPermission, allows: boolean): TextTest | undefined {
  const { pathExact, pathPrefix, pathRegex } = permission.http
  if (pathExact !== undefined && pathExact !== '') return (path) => path === pathExact
  if (pathPrefix !== undefined && pathPrefix !== '') return (path) => path.startsWith(pathPrefix)
  if (pathRegex !== undefined && pathRegex !== '') return safeMatch(pathRegex, allows)
  return undefined
}

function compileHeader(match: IntentionHeaderMatch, allows: boolean): RequestTest {
  const name = match.name.toLowerCase()
  const invert = match.invert === true
  const value = compileValue(match, allows)
  if (value === undefined) return (request) => (request.header(name) !== undefined) !== invert
  return (request) => {
    const text = request.header(name)
    return text !== undefined && value(text) !== invert
  }
}

/** @returns undefined for a match on presence */
function compileValue(match: IntentionHeaderMatch, allows: boolean): TextTest | undefined {
  const { exact, prefix, suffix, contains, regex } = match
  if (isSet(regex)) {
    // An inverted match turns the fail-safe answer around, so it is asked for the other way.
    return safeMatch(regex, match.invert === true ? !allows : allows)
  }
  const ignoreCase = match.ignoreCase === true
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text)
  if (isSet(exact)) {
    const wanted = fold(exact)
    return (text) => fold(text) === wanted
  }
  if (isSet(prefix)) {
    const wanted = fold(prefix)
    return (text) => fold(text).startsWith(wanted)
  }
  if (isSet(suffix)) {
    const wanted = fold(suffix)
    return (text) => fold(text).endsWith(wanted)
  }
  if (isSet(contains)) {
    const wanted = fold(contains)
    return (text) => fold(text).includes(wanted)
  }
  return undefined
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}

/**
 * Rules are validated on write, so a pattern that does not compile comes from another version. It then
 * fails to the safe side: an allow matches nothing, a deny matches everything.
 */
function safeMatch(pattern: string, allows: boolean): TextTest {
  return regexProblem(pattern) === undefined ? compileWholeRegex(pattern) : () => !allows
}
