/**
 * Reads of tokens, policies, roles, auth methods and binding rules (http-api.md 24), and what a token grants. Pure.
 *
 * Guarantees: no read shows the digest of a secret; links to what was deleted are left out.
 */

import { ANONYMOUS_TOKEN, BUILTIN_POLICIES } from '../acl/builtin.ts'
import { ANONYMOUS_ACCESSOR } from '../acl/denial.ts'
import type { Grants, Link, PolicyRecord, RoleRecord, TokenRecord } from '../acl/records.ts'
import type { Rule } from '../acl/rule.ts'
import { readRules } from '../acl/rule-reader.ts'
import { nodeIdentityRules, renderTemplated, serviceIdentityRules } from '../acl/templates.ts'
import type { ReadName, Reads } from '../rpc/reads.ts'
import { policyById, policyByName, roleByName } from './acl-policy-table.ts'
import { expiredTokens, tokenByAccessor, tokenByHash } from './acl-token-table.ts'
import { nameKey, type State, type TableName } from './state.ts'
import type { AclReader, Evaluated } from './store-api.ts'
import { tableWatch } from './watch-keys.ts'

type Request<N extends ReadName> = Reads[N]['request']

export function readTokens(
  state: State,
  { policy, role, serviceName, authMethod }: Request<'acl.token.list'>,
): Evaluated<'acl.token.list'> {
  const kept = state.aclTokens.values()
  const all = state.aclTokens.has(ANONYMOUS_ACCESSOR) ? kept : [ANONYMOUS_TOKEN, ...kept]
  const found = all
    .filter((token) => policy === undefined || token.policies.some(({ id }) => id === policy))
    .filter((token) => role === undefined || token.roles.some(({ id }) => id === role))
    .filter((token) => authMethod === undefined || token.authMethod === authMethod)
    .filter(
      (token) =>
        serviceName === undefined ||
        token.serviceIdentities.some((identity) => identity.serviceName === serviceName),
    )
  return evaluated<'acl.token.list'>(
    state,
    'aclTokens',
    found.map((token) => shownToken(state, token)),
  )
}

export function readToken(
  state: State,
  { accessorId }: Request<'acl.token.get'>,
): Evaluated<'acl.token.get'> {
  const token = tokenByAccessor(state, accessorId)
  const value = token === undefined ? null : shownToken(state, token)
  return evaluated<'acl.token.get'>(state, 'aclTokens', value, value !== null)
}

export function readPolicies(state: State): Evaluated<'acl.policy.list'> {
  const value = [...BUILTIN_POLICIES, ...state.aclPolicies.values()]
  return evaluated<'acl.policy.list'>(state, 'aclPolicies', value)
}

export function readPolicy(
  state: State,
  request: Request<'acl.policy.get'>,
): Evaluated<'acl.policy.get'> {
  const found = 'id' in request ? policyById(state, request.id) : policyByName(state, request.name)
  return evaluated<'acl.policy.get'>(state, 'aclPolicies', found ?? null, found !== undefined)
}

export function readRoles(
  state: State,
  { policy }: Request<'acl.role.list'>,
): Evaluated<'acl.role.list'> {
  const found = state.aclRoles
    .values()
    .filter((role) => policy === undefined || role.policies.some(({ id }) => id === policy))
    .map((role) => shownRole(state, role))
  return evaluated<'acl.role.list'>(state, 'aclRoles', found)
}

export function readRole(
  state: State,
  request: Request<'acl.role.get'>,
): Evaluated<'acl.role.get'> {
  const found = 'id' in request ? state.aclRoles.get(request.id) : roleByName(state, request.name)
  const value = found === undefined ? null : shownRole(state, found)
  return evaluated<'acl.role.get'>(state, 'aclRoles', value, value !== null)
}

/** Without the digests of their secrets. */
export function readJoinTokens(state: State): Evaluated<'join-token.list'> {
  const shown = state.joinTokens.values().map((token) => ({ ...token, secretHash: '' }))
  return evaluated<'join-token.list'>(state, 'joinTokens', shown)
}

export function readAuthMethods(state: State): Evaluated<'acl.auth-method.list'> {
  return evaluated<'acl.auth-method.list'>(state, 'aclAuthMethods', state.aclAuthMethods.values())
}

export function readAuthMethod(
  state: State,
  { name }: Request<'acl.auth-method.get'>,
): Evaluated<'acl.auth-method.get'> {
  const found = state.aclAuthMethods.get(name) ?? null
  return evaluated<'acl.auth-method.get'>(state, 'aclAuthMethods', found, found !== null)
}

export function readBindingRules(
  state: State,
  { authMethod }: Request<'acl.binding-rule.list'>,
): Evaluated<'acl.binding-rule.list'> {
  const found = state.aclBindingRules
    .values()
    .filter((rule) => authMethod === undefined || rule.authMethod === authMethod)
  return evaluated<'acl.binding-rule.list'>(state, 'aclBindingRules', found)
}

export function readBindingRule(
  state: State,
  { id }: Request<'acl.binding-rule.get'>,
): Evaluated<'acl.binding-rule.get'> {
  const found = state.aclBindingRules.get(id) ?? null
  return evaluated<'acl.binding-rule.get'>(state, 'aclBindingRules', found, found !== null)
}

/** Of a caller's own token: answered by who knows the caller (server/acl/). */
export function readNothing<N extends 'acl.token.self' | 'acl.resolve'>(
  state: State,
): Evaluated<N> {
  return evaluated<N>(state, 'aclTokens', null as Reads[N]['reply'], false)
}

/** One version of what access control rests on. */
export function aclReader(state: State): AclReader {
  const { aclTokens, aclPolicies, aclRoles } = state.indexes
  return {
    version: Math.max(aclTokens, aclPolicies, aclRoles, state.restoredAt),
    bootstrapIndex: state.aclBootstrapIndex,
    tokenByHash: (hash) => tokenByHash(state, hash),
    tokenByAccessor: (accessorId) => tokenByAccessor(state, accessorId),
    rulesOf: (token, datacenter) => rulesOfToken(state, token, datacenter),
    authMethod: (name) => state.aclAuthMethods.get(name),
    bindingRulesOf: (authMethod) =>
      state.aclBindingRules.values().filter((rule) => rule.authMethod === authMethod),
    exists: (kind, name) =>
      (kind === 'role' ? roleByName(state, name) : policyByName(state, name)) !== undefined,
    nodeOfId: (id) => {
      const key = state.nodeIds.get(nameKey(id))
      return key === undefined ? undefined : state.nodes.get(key)?.record.node
    },
    expired: (now, max) => expiredTokens(state, now, max),
  }
}

function rulesOfToken(state: State, token: TokenRecord, datacenter: string): readonly Rule[] {
  const roles = token.roles.map(({ id }) => state.aclRoles.get(id)).filter((r) => r !== undefined)
  return [token, ...roles].flatMap((grants) => rulesOfGrants(state, grants, datacenter))
}

function rulesOfGrants(state: State, grants: Grants, datacenter: string): readonly Rule[] {
  const isHere = (datacenters: readonly string[]): boolean =>
    datacenters.length === 0 || datacenters.includes(datacenter)
  const policies = grants.policies
    .map(({ id }) => policyById(state, id))
    .filter((policy) => policy !== undefined && isHere(policy.datacenters))
  return [
    ...policies.flatMap((policy) => (policy === undefined ? [] : rulesOfPolicy(policy))),
    ...grants.serviceIdentities
      .filter(({ datacenters }) => isHere(datacenters))
      .flatMap((identity) => readRules(serviceIdentityRules(identity))),
    ...grants.nodeIdentities
      .filter((identity) => identity.datacenter === datacenter)
      .flatMap((identity) => readRules(nodeIdentityRules(identity))),
    ...grants.templatedPolicies
      .filter(({ datacenters }) => isHere(datacenters))
      .flatMap((link) => readRules(renderTemplated(link))),
  ]
}

/** Read once: many tokens have the same policies. */
const RULES = new WeakMap<PolicyRecord, readonly Rule[]>()

function rulesOfPolicy(policy: PolicyRecord): readonly Rule[] {
  let rules = RULES.get(policy)
  if (rules === undefined) {
    rules = readRules(policy.rules)
    RULES.set(policy, rules)
  }
  return rules
}

function shownToken(state: State, token: TokenRecord): TokenRecord {
  const roles = token.roles.flatMap(({ id }): Link[] => {
    const role = state.aclRoles.get(id)
    return role === undefined ? [] : [{ id, name: role.name }]
  })
  return { ...token, secretHash: '', policies: shownPolicies(state, token), roles }
}

function shownRole(state: State, role: RoleRecord): RoleRecord {
  return { ...role, policies: shownPolicies(state, role) }
}

function shownPolicies(state: State, { policies }: Grants): readonly Link[] {
  return policies.flatMap(({ id }) => {
    const policy = policyById(state, id)
    return policy === undefined ? [] : [{ id, name: policy.name }]
  })
}

type AclRead = Extract<ReadName, `acl.${string}` | 'join-token.list'>

function evaluated<N extends AclRead>(
  state: State,
  table: TableName,
  value: Reads[N]['reply'],
  found = true,
): Evaluated<N> {
  return { value, index: Math.max(1, state.indexes[table]), watch: [tableWatch(table)], found }
}
