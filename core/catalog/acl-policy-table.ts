/**
 * Policies and roles as replicated state (http-api.md 24.3, 24.4). Pure.
 *
 * Guarantees: names are unique without regard to case; what is deleted is no longer linked to by anything that is
 * read; built-in policies are always there and never change.
 */

import { BUILTIN_POLICIES } from '../acl/builtin.ts'
import type {
  Grants,
  Link,
  PolicyRecord,
  PolicyWrite,
  RoleRecord,
  RoleWrite,
} from '../acl/records.ts'
import { readRules } from '../acl/rule-reader.ts'
import { nodeIdentityProblem, renderTemplated, serviceIdentityProblem } from '../acl/templates.ts'
import { isUuid } from '../config/uuid.ts'
import { toFairleadError } from '../errors.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { goQuote } from './go-quote.ts'
import { nameKey, type State } from './state.ts'

const POLICY_NAME = /^[A-Za-z0-9_-]{1,128}$/
const ROLE_NAME = /^[A-Za-z0-9_-]{1,256}$/
export const LINKS_MAX = 1_024

export function policyById(state: State, id: string): PolicyRecord | undefined {
  return state.aclPolicies.get(id) ?? BUILTIN_POLICIES.find((policy) => policy.id === id)
}

export function policyByName(state: State, name: string): PolicyRecord | undefined {
  const id = state.aclPolicyNames.get(nameKey(name))
  if (id !== undefined) return state.aclPolicies.get(id)
  return BUILTIN_POLICIES.find((policy) => policy.name === nameKey(name))
}

export function roleByName(state: State, name: string): RoleRecord | undefined {
  const id = state.aclRoleNames.get(nameKey(name))
  return id === undefined ? undefined : state.aclRoles.get(id)
}

export function setPolicy(
  draft: Draft,
  policy: PolicyWrite,
  mode: 'create' | 'update',
): Refusal | undefined {
  const builtin = BUILTIN_POLICIES.find(({ id }) => id === policy.id)
  if (builtin !== undefined) {
    return refuse(`Changing the Rules of the builtin ${builtin.name} policy is not permitted`)
  }
  const existing = draft.next.aclPolicies.get(policy.id)
  if (mode === 'update' && existing === undefined) {
    return refuse(`Cannot find policy with ID ${policy.id}: ACL not found`, 'NOT_FOUND')
  }
  if (mode === 'create' && existing !== undefined) return refuse('Invalid Policy: its ID is in use')
  const problem = idProblem(policy.id) ?? policyProblem(draft.next, policy)
  if (problem !== undefined) return refuse(problem)
  if (existing !== undefined) forgetPolicy(draft, existing)
  const createIndex = existing?.createIndex ?? draft.index
  putPolicy(draft, { ...policy, createIndex, modifyIndex: draft.index })
  return undefined
}

function policyProblem(state: State, { id, name, rules }: PolicyWrite): string | undefined {
  if (name === '') return 'Invalid Policy: no Name is set'
  if (!POLICY_NAME.test(name)) {
    return "Invalid Policy: invalid Name. Only alphanumeric characters, a single '/', '-' and '_' are allowed"
  }
  const owner = policyByName(state, name)
  if (owner !== undefined && owner.id !== id) {
    return `Invalid Policy: A Policy with Name ${goQuote(name)} already exists`
  }
  return problemOf(() => readRules(rules))
}

export function deletePolicy(draft: Draft, id: string): Refusal | undefined {
  const builtin = BUILTIN_POLICIES.find((policy) => policy.id === id)
  if (builtin !== undefined) {
    return refuse(`Delete operation not permitted on the builtin ${builtin.name} policy`)
  }
  const existing = draft.next.aclPolicies.get(id)
  if (existing === undefined) return refuse('Cannot find policy to delete', 'NOT_FOUND')
  forgetPolicy(draft, existing)
  return undefined
}

/** Its name must be free. */
export function putPolicy(draft: Draft, policy: PolicyRecord): void {
  const { next } = draft
  next.aclPolicies = next.aclPolicies.set(policy.id, policy)
  next.aclPolicyNames = next.aclPolicyNames.set(nameKey(policy.name), policy.id)
  touchTable(draft, 'aclPolicies')
}

function forgetPolicy(draft: Draft, { id, name }: PolicyRecord): void {
  const { next } = draft
  next.aclPolicies = next.aclPolicies.delete(id)
  next.aclPolicyNames = next.aclPolicyNames.delete(nameKey(name))
  touchTable(draft, 'aclPolicies')
}

export function setRole(
  draft: Draft,
  role: RoleWrite,
  mode: 'create' | 'update',
): Refusal | undefined {
  const existing = draft.next.aclRoles.get(role.id)
  if (mode === 'update' && existing === undefined) {
    return refuse(`cannot find role ${role.id}: ACL not found`, 'NOT_FOUND')
  }
  if (mode === 'create' && existing !== undefined) return refuse('Invalid Role: its ID is in use')
  const problem = idProblem(role.id) ?? roleProblem(draft.next, role)
  if (problem !== undefined) return refuse(problem)
  const granted = resolveGrants(draft.next, role)
  if ('code' in granted) return granted
  if (existing !== undefined) forgetRole(draft, existing)
  const createIndex = existing?.createIndex ?? draft.index
  putRole(draft, { ...role, ...granted, createIndex, modifyIndex: draft.index })
  return undefined
}

function roleProblem(state: State, { id, name }: RoleWrite): string | undefined {
  if (name === '') return 'Invalid Role: no Name is set'
  if (!ROLE_NAME.test(name)) {
    return "Invalid Role: invalid Name. Only alphanumeric characters, '-' and '_' are allowed"
  }
  const owner = roleByName(state, name)
  if (owner === undefined || owner.id === id) return undefined
  return `Invalid Role: A Role with Name ${goQuote(name)} already exists`
}

export function deleteRole(draft: Draft, id: string): Refusal | undefined {
  const existing = draft.next.aclRoles.get(id)
  if (existing === undefined) return refuse('Cannot find role to delete', 'NOT_FOUND')
  forgetRole(draft, existing)
  return undefined
}

/** Its name must be free. */
export function putRole(draft: Draft, role: RoleRecord): void {
  const { next } = draft
  next.aclRoles = next.aclRoles.set(role.id, role)
  next.aclRoleNames = next.aclRoleNames.set(nameKey(role.name), role.id)
  touchTable(draft, 'aclRoles')
}

function forgetRole(draft: Draft, { id, name }: RoleRecord): void {
  const { next } = draft
  next.aclRoles = next.aclRoles.delete(id)
  next.aclRoleNames = next.aclRoleNames.delete(nameKey(name))
  touchTable(draft, 'aclRoles')
}

/** Links by id alone, identities and templates checked. */
export function resolveGrants(state: State, grants: Grants): Grants | Refusal {
  const { serviceIdentities, nodeIdentities, templatedPolicies } = grants
  const policies = resolveLinks(grants.policies, 'policy', {
    byId: (id) => policyById(state, id),
    byName: (name) => policyByName(state, name),
  })
  if ('code' in policies) return policies
  const size = serviceIdentities.length + nodeIdentities.length + templatedPolicies.length
  if (size > LINKS_MAX) return refuse(`More than ${LINKS_MAX} identities and templated policies`)
  for (const identity of serviceIdentities) {
    const problem = serviceIdentityProblem(identity)
    if (problem !== undefined) return refuse(problem)
  }
  for (const identity of nodeIdentities) {
    const problem = nodeIdentityProblem(identity)
    if (problem !== undefined) return refuse(problem)
  }
  for (const link of templatedPolicies) {
    const problem = problemOf(() => renderTemplated(link))
    if (problem !== undefined) return refuse(problem)
  }
  return { policies: policies.links, serviceIdentities, nodeIdentities, templatedPolicies }
}

export function resolveRoles(
  state: State,
  roles: readonly Link[],
): { readonly links: readonly Link[] } | Refusal {
  return resolveLinks(roles, 'role', {
    byId: (id) => state.aclRoles.get(id),
    byName: (name) => roleByName(state, name),
  })
}

function resolveLinks(
  links: readonly Link[],
  what: 'policy' | 'role',
  find: {
    byId(id: string): { readonly id: string } | undefined
    byName(name: string): { readonly id: string } | undefined
  },
): { readonly links: readonly Link[] } | Refusal {
  if (links.length > LINKS_MAX) return refuse(`More than ${LINKS_MAX} links to a ${what}`)
  const found = new Set<string>()
  for (const { id, name } of links) {
    const target = id === '' ? find.byName(name) : find.byId(id)
    if (target === undefined) {
      const by = id === '' ? `name ${goQuote(name)}` : `ID ${goQuote(id)}`
      return refuse(`No such ACL ${what} with ${by}`)
    }
    found.add(target.id)
  }
  return { links: [...found].map((id) => ({ id, name: '' })) }
}

function idProblem(id: string): string | undefined {
  return isUuid(id) ? undefined : `invalid ID ${goQuote(id)}: it must be a UUID`
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (thrown) {
    return toFairleadError(thrown).message
  }
}
