/**
 * Intentions as rules of Envoy's RBAC filters (mesh.md 6.4, 6.5, 14.5). Pure.
 *
 * Guarantees: the verdict is that of core/intentions/decide.ts and permissions.ts for every caller and request. Envoy
 * merges policies where Consul's first matching intention decides, so each policy excludes whom and what an earlier one
 * took: a source with an intention of its own is taken out of `*`, an earlier permission out of each later one. What
 * decides as the default does is left out; without any policy the filter says what the default says.
 * A rule with permissions is a denial where requests are not looked into, and so is one that asks for tokens: Envoy
 * is not told of the providers.
 */

import type {
  IntentionAction,
  IntentionHeaderMatch,
  IntentionPermission,
  IntentionRecord,
  JsonObject,
} from '../catalog/types.ts'
import { asksForTokens } from '../intentions/jwt.ts'
import { encodeSegment } from '../mesh/spiffe.ts'

export interface RbacInputs {
  readonly trustDomain: string
  /** Whose destination is the service, precedence descending. */
  readonly intentions: readonly IntentionRecord[]
  readonly defaultAction: IntentionAction
  /** Whether requests are looked into. */
  readonly isHttp: boolean
}

/** @returns an `envoy.config.rbac.v3.RBAC` */
export function rbacRules(inputs: RbacInputs): JsonObject {
  const { trustDomain, defaultAction, isHttp } = inputs
  const listed: IntentionAction = defaultAction === 'deny' ? 'allow' : 'deny'
  const connections: JsonObject[] = []
  const policies: Record<string, JsonObject> = {}
  let requests = 0
  const deciding = firstPerSource(inputs.intentions)
  for (const rule of deciding) {
    const principal = principalOf(trustDomain, rule, deciding)
    if (rule.permissions.length === 0 || !isHttp || asksForTokens(rule)) {
      const action = rule.permissions.length === 0 && !asksForTokens(rule) ? rule.action : 'deny'
      if (action === listed) connections.push(principal)
      continue
    }
    const permissions = permissionsOf(rule.permissions, listed)
    if (permissions.length === 0) continue
    policies[`consul-intentions-layer7-${requests++}`] = { permissions, principals: [principal] }
  }
  if (connections.length > 0) {
    policies['consul-intentions-layer4'] = {
      permissions: [{ any: true }],
      principals: connections,
    }
  }
  return { action: listed === 'allow' ? 'ALLOW' : 'DENY', policies }
}

/** What comes after `*`, or after another rule for the same source, never decides. */
function firstPerSource(rules: readonly IntentionRecord[]): IntentionRecord[] {
  const seen = new Set<string>()
  const kept: IntentionRecord[] = []
  for (const rule of rules) {
    if (seen.has(rule.sourceName)) continue
    seen.add(rule.sourceName)
    kept.push(rule)
    if (rule.sourceName === '*') break
  }
  return kept
}

function principalOf(
  trustDomain: string,
  rule: IntentionRecord,
  deciding: readonly IntentionRecord[],
): JsonObject {
  if (rule.sourceName !== '*') return identified(servicePattern(trustDomain, rule.sourceName))
  const anyone = identified(anyonePattern(trustDomain))
  const others = deciding.filter((other) => other !== rule)
  if (others.length === 0) return anyone
  const excluded = others.map((other) => ({
    notId: identified(servicePattern(trustDomain, other.sourceName)),
  }))
  return { andIds: { ids: [anyone, ...excluded] } }
}

function identified(pattern: string): JsonObject {
  return { authenticated: { principalName: { safeRegex: { regex: pattern } } } }
}

/** The datacentre is not part of the authorisation. */
function servicePattern(trustDomain: string, service: string): string {
  const name = quoted(encodeSegment(service))
  return `^${quoted(`spiffe://${trustDomain}/ns/default/dc/`)}[^/]+/svc/${name}$`
}

/** Services, and hosts whose processes call in nobody's name, which only `*` matches. */
function anyonePattern(trustDomain: string): string {
  const paths = 'ns/default/dc/[^/]+/svc/[^/]+|agent/client/dc/[^/]+/id/[^/]+'
  return `^${quoted(`spiffe://${trustDomain}/`)}(?:${paths})$`
}

function quoted(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** Those that decide against the default, each without what an earlier one decides. */
function permissionsOf(
  permissions: readonly IntentionPermission[],
  listed: IntentionAction,
): JsonObject[] {
  const conditions = permissions.map(conditionOf)
  return permissions.flatMap((permission, i) => {
    if (permission.action !== listed) return []
    const earlier = conditions.slice(0, i).map((condition) => ({ notRule: condition }))
    return [allOf([conditions[i] ?? { any: true }, ...earlier])]
  })
}

function conditionOf({ http }: IntentionPermission): JsonObject {
  const rules: JsonObject[] = []
  const path = pathMatch(http)
  if (path !== undefined) rules.push({ urlPath: { path } })
  for (const match of http.header ?? []) rules.push({ header: headerMatcher(match) })
  const methods = (http.methods ?? []).map((method) => method.toUpperCase())
  if (methods.length > 0) {
    rules.push({
      header: { name: ':method', stringMatch: { safeRegex: { regex: methods.join('|') } } },
    })
  }
  return rules.length === 0 ? { any: true } : allOf(rules)
}

function allOf(rules: readonly JsonObject[]): JsonObject {
  const [first] = rules
  return rules.length === 1 && first !== undefined ? first : { andRules: { rules: [...rules] } }
}

function pathMatch(http: IntentionPermission['http']): JsonObject | undefined {
  if (isSet(http.pathExact)) return { exact: http.pathExact }
  if (isSet(http.pathPrefix)) return { prefix: http.pathPrefix }
  if (isSet(http.pathRegex)) return { safeRegex: { regex: http.pathRegex } }
  return undefined
}

function headerMatcher(match: IntentionHeaderMatch): JsonObject {
  const common = {
    name: match.name.toLowerCase(),
    ...(match.invert === true ? { invertMatch: true } : {}),
  }
  const value = valueMatch(match)
  return value === undefined ? { ...common, presentMatch: true } : { ...common, stringMatch: value }
}

function valueMatch(match: IntentionHeaderMatch): JsonObject | undefined {
  if (isSet(match.regex)) return { safeRegex: { regex: match.regex } }
  const fold = match.ignoreCase === true ? { ignoreCase: true } : {}
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const text = match[kind]
    if (isSet(text)) return { [kind]: text, ...fold }
  }
  return undefined
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}
