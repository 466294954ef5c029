/**
 * What a login gives: the rules of an auth method whose selector takes the identity, with its facts put in
 * (http-api.md 24.4). Pure.
 *
 * Guarantees: a rule that names what the identity does not have gives nothing, and says nothing; a name that does not
 * fit (a service or node identity with other characters) refuses the login instead of granting something else.
 * Selectors see `value.<name>` and `list.<name>`, as the auth method maps claims.
 */

import type { StringMap } from '../catalog/types.ts'
import { FairleadError } from '../errors.ts'
import { compileFilter } from '../filter/compile.ts'
import type { FilterSchema } from '../filter/schema.ts'
import { list, map, struct } from '../filter/schema.ts'
import type { BindingRuleRecord, BindingRuleWrite, Grants, Link } from './records.ts'
import { nodeIdentityProblem, renderTemplated, serviceIdentityProblem } from './templates.ts'

/** What an auth method found out about who logs in. */
export interface VerifiedIdentity {
  readonly values: StringMap
  readonly lists: Readonly<Record<string, readonly string[]>>
}

const BIND_TYPES = ['service', 'node', 'role', 'policy', 'templated-policy']
const SCHEMA: FilterSchema = struct({ value: map('string'), list: map(list('string')) })
const VARIABLE = /\$\{([^}]*)\}/g

/** @returns what is wrong, undefined for nothing */
export function bindingRuleProblem(rule: BindingRuleWrite): string | undefined {
  const { bindType, bindName, bindVars, selector } = rule
  if (bindType === '') return 'Invalid Binding Rule: no BindType is set'
  if (!BIND_TYPES.includes(bindType)) {
    return `Invalid Binding Rule: unknown BindType ${JSON.stringify(bindType)}; use one of ${BIND_TYPES.join(', ')}`
  }
  if (bindName === '') return 'Invalid Binding Rule: no BindName is set'
  if (bindType !== 'templated-policy' && Object.keys(bindVars).length > 0) {
    return 'Invalid Binding Rule: BindVars cannot be set when bind type is not templated-policy.'
  }
  for (const text of [bindName, ...Object.values(bindVars)]) {
    for (const [, name = ''] of text.matchAll(VARIABLE)) {
      if (!/^value\.[A-Za-z0-9_]+$/.test(name.trim())) {
        return `Invalid Binding Rule: invalid BindName: "\${${name}}" is no variable; write \${value.<name>}`
      }
    }
  }
  if (selector === '') return undefined
  const compiled = compileFilter(selector, SCHEMA)
  return compiled.ok ? undefined : `Invalid Binding Rule: invalid Selector: ${compiled.message}`
}

/**
 * @param exists whether a role or policy of a name is there: one that is not is passed over
 * @throws FairleadError PERMISSION_DENIED for a name that does not fit
 */
export function grantsOfLogin(
  rules: readonly BindingRuleRecord[],
  identity: VerifiedIdentity,
  options: {
    readonly datacenter: string
    exists(kind: 'role' | 'policy', name: string): boolean
  },
): (Grants & { readonly roles: readonly Link[] }) | undefined {
  const found = {
    policies: [] as Link[],
    roles: [] as Link[],
    serviceIdentities: [] as { serviceName: string; datacenters: string[] }[],
    nodeIdentities: [] as { nodeName: string; datacenter: string }[],
    templatedPolicies: [] as {
      templateName: string
      variables: StringMap
      datacenters: string[]
    }[],
  }
  let count = 0
  for (const rule of rules) {
    if (!selects(rule.selector, identity)) continue
    const name = interpolate(rule.bindName, identity)
    if (name === undefined) continue
    switch (rule.bindType) {
      case 'role':
      case 'policy':
        if (!options.exists(rule.bindType, name)) continue
        found[rule.bindType === 'role' ? 'roles' : 'policies'].push({ id: '', name })
        break
      case 'service': {
        const given = { serviceName: name, datacenters: [] }
        refuseUnless(serviceIdentityProblem(given))
        found.serviceIdentities.push(given)
        break
      }
      case 'node': {
        const given = { nodeName: name, datacenter: options.datacenter }
        refuseUnless(nodeIdentityProblem(given))
        found.nodeIdentities.push(given)
        break
      }
      default: {
        const variables = interpolateAll(rule.bindVars, identity)
        if (variables === undefined) continue
        const given = { templateName: name, variables, datacenters: [] }
        renderTemplated(given)
        found.templatedPolicies.push(given)
      }
    }
    count += 1
  }
  return count === 0 ? undefined : found
}

function selects(selector: string, { values, lists }: VerifiedIdentity): boolean {
  if (selector === '') return true
  const compiled = compileFilter(selector, SCHEMA)
  return compiled.ok && compiled.matches({ value: values, list: lists })
}

function interpolateAll(texts: StringMap, identity: VerifiedIdentity): StringMap | undefined {
  const found: Record<string, string> = {}
  for (const [key, text] of Object.entries(texts)) {
    const value = interpolate(text, identity)
    if (value === undefined) return undefined
    found[key.toLowerCase()] = value
  }
  return found
}

/** @returns undefined when the identity lacks what is named */
function interpolate(text: string, { values }: VerifiedIdentity): string | undefined {
  let isComplete = true
  const made = text.replace(VARIABLE, (_, name: string) => {
    const key = name.trim().slice('value.'.length)
    const value = Object.hasOwn(values, key) ? values[key] : undefined
    // An empty claim is no part of a name either: `team-${value.team}` would be that of everybody without one.
    if (value === undefined || value === '') isComplete = false
    return value ?? ''
  })
  return isComplete ? made : undefined
}

function refuseUnless(problem: string | undefined): void {
  if (problem === undefined) return
  throw new FairleadError('PERMISSION_DENIED', `Permission denied: ${problem}`)
}
