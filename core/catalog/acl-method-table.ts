/**
 * Auth methods and binding rules as replicated state (http-api.md 24.4). Pure.
 *
 * Guarantees: a rule belongs to a method that exists; a method takes its rules and its tokens along when it goes.
 */

import { authMethodProblem } from '../acl/auth-method.ts'
import { bindingRuleProblem } from '../acl/binding-rules.ts'
import type {
  AuthMethodRecord,
  AuthMethodWrite,
  BindingRuleRecord,
  BindingRuleWrite,
} from '../acl/records.ts'
import { isUuid } from '../config/uuid.ts'
import { deleteTokensOf } from './acl-token-table.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { goQuote } from './go-quote.ts'

const METHOD_NAME = /^[A-Za-z0-9_-]{1,128}$/

export function setAuthMethod(
  draft: Draft,
  method: AuthMethodWrite,
  mode: 'create' | 'update',
): Refusal | undefined {
  const existing = draft.next.aclAuthMethods.get(method.name)
  if (!METHOD_NAME.test(method.name)) {
    return refuse(
      "Invalid Auth Method: invalid Name. Only alphanumeric characters, '-' and '_' are allowed",
    )
  }
  const problem = authMethodProblem(method)
  if (problem !== undefined) return refuse(problem)
  if (mode === 'update' && existing === undefined) {
    return refuse(`Cannot find auth method ${goQuote(method.name)}: ACL not found`, 'NOT_FOUND')
  }
  if (mode === 'create' && existing !== undefined) {
    return refuse(`Invalid Auth Method: one with the name ${goQuote(method.name)} already exists`)
  }
  if (existing !== undefined && existing.type !== method.type) {
    return refuse(
      `Changing an auth method's type from ${goQuote(existing.type)} to ${goQuote(method.type)} is not permitted.`,
    )
  }
  const createIndex = existing?.createIndex ?? draft.index
  putAuthMethod(draft, { ...method, createIndex, modifyIndex: draft.index })
  return undefined
}

export function deleteAuthMethod(draft: Draft, name: string): Refusal | undefined {
  if (!draft.next.aclAuthMethods.has(name)) {
    return refuse('Cannot find auth method to delete', 'NOT_FOUND')
  }
  for (const rule of draft.next.aclBindingRules.values()) {
    if (rule.authMethod === name) forgetBindingRule(draft, rule.id)
  }
  deleteTokensOf(draft, name)
  draft.next.aclAuthMethods = draft.next.aclAuthMethods.delete(name)
  touchTable(draft, 'aclAuthMethods')
  return undefined
}

export function putAuthMethod(draft: Draft, method: AuthMethodRecord): void {
  draft.next.aclAuthMethods = draft.next.aclAuthMethods.set(method.name, method)
  touchTable(draft, 'aclAuthMethods')
}

export function setBindingRule(
  draft: Draft,
  rule: BindingRuleWrite,
  mode: 'create' | 'update',
): Refusal | undefined {
  const existing = draft.next.aclBindingRules.get(rule.id)
  if (!isUuid(rule.id)) return refuse(`Invalid Binding Rule: ID ${goQuote(rule.id)} is no UUID`)
  if (mode === 'update' && existing === undefined) {
    return refuse(`cannot find binding rule ${rule.id}: ACL not found`, 'NOT_FOUND')
  }
  if (existing !== undefined && existing.authMethod !== rule.authMethod) {
    return refuse('the AuthMethod field of an Binding Rule is immutable')
  }
  if (rule.authMethod === '') return refuse('Invalid Binding Rule: no AuthMethod is set')
  if (!draft.next.aclAuthMethods.has(rule.authMethod)) {
    return refuse(`cannot find auth method with name ${goQuote(rule.authMethod)}`)
  }
  const problem = bindingRuleProblem(rule)
  if (problem !== undefined) return refuse(problem)
  const createIndex = existing?.createIndex ?? draft.index
  putBindingRule(draft, { ...rule, createIndex, modifyIndex: draft.index })
  return undefined
}

export function deleteBindingRule(draft: Draft, id: string): Refusal | undefined {
  if (!draft.next.aclBindingRules.has(id)) {
    return refuse('Cannot find binding rule to delete', 'NOT_FOUND')
  }
  forgetBindingRule(draft, id)
  return undefined
}

export function putBindingRule(draft: Draft, rule: BindingRuleRecord): void {
  draft.next.aclBindingRules = draft.next.aclBindingRules.set(rule.id, rule)
  touchTable(draft, 'aclBindingRules')
}

function forgetBindingRule(draft: Draft, id: string): void {
  draft.next.aclBindingRules = draft.next.aclBindingRules.delete(id)
  touchTable(draft, 'aclBindingRules')
}
