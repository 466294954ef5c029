/**
 * Tokens as replicated state (http-api.md 24.1, 24.2). Pure.
 *
 * Guarantees: accessors and secrets are unique; the secret is not here, its digest is; times are the leader's; a
 * bootstrap happens once, and again only with the number that an operator has read in the refusal.
 */

import { ANONYMOUS_TOKEN, RESERVED_PREFIX } from '../acl/builtin.ts'
import { ANONYMOUS_ACCESSOR } from '../acl/denial.ts'
import type { TokenRecord, TokenWrite } from '../acl/records.ts'
import { isUuid } from '../config/uuid.ts'
import { formatDurationMs } from '../duration.ts'
import { resolveGrants, resolveRoles } from './acl-policy-table.ts'
import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { goQuote } from './go-quote.ts'
import { indexKey, KEY_SEPARATOR } from './key-order.ts'
import type { State } from './state.ts'

export const TOKEN_TTL_MIN_MS = 60_000
export const TOKEN_TTL_MAX_MS = 24 * 3_600_000

type TokenCommand = Extract<Command, { kind: 'acl.token.set' }>

export function tokenByAccessor(state: State, accessorId: string): TokenRecord | undefined {
  const found = state.aclTokens.get(accessorId)
  return found ?? (accessorId === ANONYMOUS_ACCESSOR ? ANONYMOUS_TOKEN : undefined)
}

/** @param hash of its secret */
export function tokenByHash(state: State, hash: string): TokenRecord | undefined {
  const accessorId = state.aclTokenHashes.get(hash)
  if (accessorId !== undefined) return state.aclTokens.get(accessorId)
  return hash === ANONYMOUS_TOKEN.secretHash
    ? tokenByAccessor(state, ANONYMOUS_ACCESSOR)
    : undefined
}

export function setToken(draft: Draft, { token, mode, now }: TokenCommand): Refusal | undefined {
  const existing = tokenByAccessor(draft.next, token.accessorId)
  if (mode === 'update') {
    if (existing === undefined) return refuse(`Cannot find token ${goQuote(token.accessorId)}`)
    const problem = changeProblem(existing, token)
    if (problem !== undefined) return refuse(problem)
  } else {
    const problem = newTokenProblem(draft.next, token)
    if (problem !== undefined) return refuse(problem)
  }
  const granted = resolveGrants(draft.next, token)
  if ('code' in granted) return granted
  const roles = resolveRoles(draft.next, token.roles)
  if ('code' in roles) return roles
  if (existing !== undefined) forgetToken(draft, existing)
  putToken(draft, {
    accessorId: token.accessorId,
    secretHash: existing?.secretHash ?? token.secretHash,
    description: token.description,
    ...granted,
    roles: roles.links,
    local: existing?.local ?? token.local,
    authMethod: existing?.authMethod ?? token.authMethod,
    expiresAt: existing?.expiresAt ?? (token.ttlMs === 0 ? 0 : now + token.ttlMs),
    createdAt: existing?.createdAt ?? now,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: draft.index,
  })
  return undefined
}

function changeProblem(existing: TokenRecord, token: TokenWrite): string | undefined {
  if (token.secretHash !== '' && token.secretHash !== existing.secretHash) {
    return "Changing a token's SecretID is not permitted"
  }
  if (token.authMethod !== '' && token.authMethod !== existing.authMethod) {
    return `Cannot change AuthMethod of ${existing.accessorId}`
  }
  return undefined
}

function newTokenProblem(state: State, token: TokenWrite): string | undefined {
  const { accessorId, secretHash, ttlMs } = token
  if (!isUuid(accessorId))
    return `Invalid Token: AccessorID ${goQuote(accessorId)} is not a valid UUID`
  if (accessorId.startsWith(RESERVED_PREFIX)) {
    return `UUIDs with the prefix "${RESERVED_PREFIX}" are reserved`
  }
  if (tokenByAccessor(state, accessorId) !== undefined) {
    return 'Invalid Token: AccessorID is already in use'
  }
  if (!/^[0-9a-f]{64}$/.test(secretHash)) return 'Invalid Token: no digest of a SecretID'
  if (tokenByHash(state, secretHash) !== undefined) {
    return 'Invalid Token: SecretID is already in use'
  }
  if (ttlMs === 0) return undefined
  if (ttlMs < TOKEN_TTL_MIN_MS) {
    return `ExpirationTime cannot be less than ${formatDurationMs(TOKEN_TTL_MIN_MS)} in the future (was ${formatDurationMs(ttlMs)})`
  }
  if (ttlMs > TOKEN_TTL_MAX_MS) {
    return `ExpirationTime cannot be more than ${formatDurationMs(TOKEN_TTL_MAX_MS)} in the future (was ${formatDurationMs(ttlMs)})`
  }
  return undefined
}

export function deleteToken(draft: Draft, accessorId: string): Refusal | undefined {
  if (accessorId === ANONYMOUS_ACCESSOR) {
    return refuse('Delete operation not permitted on the anonymous token')
  }
  const existing = draft.next.aclTokens.get(accessorId)
  if (existing === undefined) return refuse('Cannot find token to delete', 'NOT_FOUND')
  forgetToken(draft, existing)
  return undefined
}

/** Those of the accessors whose time is over. */
export function reapTokens(draft: Draft, accessorIds: readonly string[], now: number): void {
  for (const accessorId of accessorIds) {
    const token = draft.next.aclTokens.get(accessorId)
    if (token !== undefined && isExpired(token, now)) forgetToken(draft, token)
  }
}

export function deleteTokensOf(draft: Draft, authMethod: string): void {
  for (const token of draft.next.aclTokens.values()) {
    if (token.authMethod === authMethod) forgetToken(draft, token)
  }
}

export function bootstrapAcl(
  draft: Draft,
  { token, resetIndex, now }: Extract<Command, { kind: 'acl.bootstrap' }>,
): Refusal | undefined {
  const before = draft.next.aclBootstrapIndex
  if (before !== 0 && resetIndex === undefined) {
    return refuse(
      `Permission denied: ACL bootstrap no longer allowed (reset index: ${before})`,
      'PERMISSION_DENIED',
    )
  }
  if (before !== 0 && resetIndex !== before) {
    return refuse(
      `Permission denied: Invalid bootstrap reset index (specified ${resetIndex}, reset index: ${before})`,
      'PERMISSION_DENIED',
    )
  }
  const problem = setToken(draft, { kind: 'acl.token.set', token, mode: 'create', now })
  if (problem !== undefined) return problem
  draft.next.aclBootstrapIndex = draft.index
  return undefined
}

export function isExpired({ expiresAt }: TokenRecord, now: number): boolean {
  return expiresAt !== 0 && expiresAt <= now
}

/** Accessors whose time is over, at most `max`. */
export function expiredTokens(state: State, now: number, max: number): readonly string[] {
  const found: string[] = []
  const cursor = state.aclTokenExpiries.cursor()
  while (found.length < max && cursor.next()) {
    if (cursor.key >= indexKey(now + 1)) break
    found.push(cursor.value)
  }
  return found
}

/** Accessor and digest must be free. */
export function putToken(draft: Draft, token: TokenRecord): void {
  const { next } = draft
  const { accessorId, secretHash, expiresAt } = token
  next.aclTokens = next.aclTokens.set(accessorId, token)
  next.aclTokenHashes = next.aclTokenHashes.set(secretHash, accessorId)
  if (expiresAt !== 0) {
    next.aclTokenExpiries = next.aclTokenExpiries.set(expiryKey(token), accessorId)
  }
  touchTable(draft, 'aclTokens')
}

function forgetToken(draft: Draft, token: TokenRecord): void {
  const { next } = draft
  next.aclTokens = next.aclTokens.delete(token.accessorId)
  next.aclTokenHashes = next.aclTokenHashes.delete(token.secretHash)
  if (token.expiresAt !== 0) {
    next.aclTokenExpiries = next.aclTokenExpiries.delete(expiryKey(token))
  }
  touchTable(draft, 'aclTokens')
}

function expiryKey({ expiresAt, accessorId }: TokenRecord): string {
  return indexKey(Math.ceil(expiresAt)) + KEY_SEPARATOR + accessorId
}
