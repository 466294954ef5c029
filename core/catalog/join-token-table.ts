/**
 * Join tokens as replicated state (docs/decisions/0042). Pure.
 *
 * Guarantees: a token is used as often as it says and no longer than it says, whatever leaders come and go; a node that is in
 * the cluster, or that a token of access control is for, is joined again only by a token made for that very node. What is over
 * goes with the next change. Bound: JOIN_TOKENS_MAX.
 */

import { isUuid } from '../config/uuid.ts'
import {
  JOIN_TOKENS_MAX,
  JOIN_TTL_MAX_MS,
  JOIN_TTL_MIN_MS,
  JOIN_USES_MAX,
  type JoinTokenRecord,
} from '../join/join-token.ts'
import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { goQuote } from './go-quote.ts'
import { nameKey, type State } from './state.ts'

const NODE_NAME = /^[A-Za-z0-9._-]{1,128}$/
const DESCRIPTION_MAX = 256

export function setJoinToken(
  draft: Draft,
  { token, now }: Extract<Command, { kind: 'join-token.set' }>,
): Refusal | undefined {
  const { id, secretHash, role, node, description, uses, ttlMs } = token
  if (!isUuid(id)) return bad(`ID ${goQuote(id)} is no UUID`)
  if (!/^[0-9a-f]{64}$/.test(secretHash)) return bad('the digest of the secret is none')
  if (node !== '' && !NODE_NAME.test(node)) return bad(`Node ${goQuote(node)} is no name of a node`)
  if (description.length > DESCRIPTION_MAX) {
    return bad(`Description can have at most ${DESCRIPTION_MAX} characters`)
  }
  if (uses < 1 || uses > JOIN_USES_MAX) return bad(`Uses must be from 1 to ${JOIN_USES_MAX}`)
  if (ttlMs < JOIN_TTL_MIN_MS || ttlMs > JOIN_TTL_MAX_MS) {
    return bad('TTL must be from 1m to 168h')
  }
  forgetOver(draft, now)
  const all = draft.next.joinTokens
  if (all.has(id) || all.values().some((other) => other.secretHash === secretHash)) {
    return bad('one with this ID or secret exists')
  }
  if (all.size >= JOIN_TOKENS_MAX) {
    return bad(`there are ${JOIN_TOKENS_MAX} already; delete some`)
  }
  putJoinToken(draft, {
    id,
    secretHash,
    role,
    node,
    description,
    usesLeft: uses,
    createdAt: now,
    expiresAt: now + ttlMs,
    createIndex: draft.index,
    modifyIndex: draft.index,
  })
  return undefined
}

export function deleteJoinToken(draft: Draft, id: string): Refusal | undefined {
  if (!draft.next.joinTokens.has(id)) {
    return refuse(`There is no join token ${goQuote(id)}`, 'NOT_FOUND')
  }
  forget(draft, id)
  return undefined
}

/** @returns the id of the token that was used */
export function useJoinToken(
  draft: Draft,
  { secretHash, node, now }: Extract<Command, { kind: 'join-token.use' }>,
): string | Refusal {
  if (!NODE_NAME.test(node)) return refused(`${goQuote(node)} is no name of a node`)
  const token = joinTokenByHash(draft.next, secretHash)
  if (token === undefined) return refused('the join token is not known: used up, deleted, or over')
  if (token.expiresAt <= now) return refused('the join token is over')
  if (token.node === '') {
    if (isTaken(draft, node)) {
      return refused(
        `node ${goQuote(node)} is in the cluster already; to let a host take its place: fairlead join-token create -node ${node}`,
      )
    }
  } else if (nameKey(token.node) !== nameKey(node)) {
    return refused(`the join token is for the node ${goQuote(token.node)}`)
  }
  if (token.usesLeft <= 1) forget(draft, token.id)
  else {
    putJoinToken(draft, { ...token, usesLeft: token.usesLeft - 1, modifyIndex: draft.index })
  }
  forgetOver(draft, now)
  return token.id
}

export function joinTokenByHash(state: State, hash: string): JoinTokenRecord | undefined {
  return state.joinTokens.values().find((token) => token.secretHash === hash)
}

export function putJoinToken(draft: Draft, token: JoinTokenRecord): void {
  draft.next.joinTokens = draft.next.joinTokens.set(token.id, token)
  touchTable(draft, 'joinTokens')
}

function isTaken(draft: Draft, node: string): boolean {
  const key = nameKey(node)
  if (draft.next.nodes.has(key)) return true
  return draft.next.aclTokens
    .values()
    .some((token) => token.nodeIdentities.some(({ nodeName }) => nameKey(nodeName) === key))
}

function forgetOver(draft: Draft, now: number): void {
  for (const token of draft.next.joinTokens.values()) {
    if (token.expiresAt <= now) forget(draft, token.id)
  }
}

function forget(draft: Draft, id: string): void {
  draft.next.joinTokens = draft.next.joinTokens.delete(id)
  touchTable(draft, 'joinTokens')
}

function bad(why: string): Refusal {
  return refuse(`Invalid join token: ${why}`, 'BAD_REQUEST')
}

function refused(why: string): Refusal {
  return refuse(`Permission denied: ${why}`, 'PERMISSION_DENIED')
}
