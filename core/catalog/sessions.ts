/**
 * Sessions and how they end (http-api.md 14): bound to a node and to checks, holding locks on KV keys.
 *
 * A session ends when it is destroyed, when its node or a check bound to it goes away, or when such a
 * check turns critical, always within the command that caused it. Each key held is then released or
 * deleted by the session's behaviour and cannot be locked again before the lock delay is over; prepared queries bound
 * to the session are deleted. The delay
 * counts from the time stamped by the leader, so every server agrees on it. Expiry of a TTL is the
 * leader's duty: it destroys the session.
 */

import { putCheck } from './check-table.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import { endLock } from './kv.ts'
import { deleteQueriesOfSession } from './query-table.ts'
import { nameKey, pairKey } from './state.ts'
import type { CheckRecord, CheckStatus, Indexed, SessionRecord } from './types.ts'
import { nodeSessionsWatch, sessionWatch } from './watch-keys.ts'

const SESSION_CHECK_TYPE = 'session'

export function createSession(
  draft: Draft,
  given: Omit<SessionRecord, keyof Indexed>,
): Refusal | undefined {
  if (given.id === '' || given.id.includes(KEY_SEPARATOR)) return refuse('Missing session ID')
  if (given.behavior !== 'release' && given.behavior !== 'delete') {
    return refuse(`Invalid Behavior setting '${String(given.behavior)}'`)
  }
  if (draft.next.sessions.has(given.id)) return refuse(`Session '${given.id}' already exists`)
  const nodeKey = nameKey(given.node)
  const checks = draft.next.nodes.get(nodeKey)?.checks
  if (checks === undefined) return refuse('Missing node registration')
  for (const id of boundChecks(given)) {
    const check = checks.get(id)
    if (check === undefined) return refuse(`Missing check '${id}' registration`)
    if (check.status === 'critical' && check.type !== SESSION_CHECK_TYPE) {
      return refuse(`Check '${id}' is in critical state`)
    }
  }
  const record: SessionRecord = {
    ...given,
    createIndex: draft.index,
    modifyIndex: draft.index,
  }
  putSession(draft, record)
  setSessionChecks(draft, nodeKey, record, 'passing', `Session '${record.id}' in force`)
  return undefined
}

/** Stores a record as it is; its id must be new. */
export function putSession(draft: Draft, record: SessionRecord): void {
  const nodeKey = nameKey(record.node)
  const { next } = draft
  next.sessions = next.sessions.set(record.id, record)
  next.sessionsByNode = next.sessionsByNode.set(pairKey(nodeKey, record.id), record.id)
  for (const id of boundChecks(record)) {
    next.sessionsByCheck = next.sessionsByCheck.set(bindingKey(nodeKey, id, record.id), record.id)
  }
  touchSession(draft, nodeKey, record.id)
}

/** Ends a session; nothing when there is none. */
export function destroySession(draft: Draft, id: string): void {
  const session = draft.next.sessions.get(id)
  if (session === undefined) return
  const nodeKey = nameKey(session.node)
  const { next } = draft
  next.sessions = next.sessions.delete(id)
  next.sessionsByNode = next.sessionsByNode.delete(pairKey(nodeKey, id))
  for (const check of boundChecks(session)) {
    next.sessionsByCheck = next.sessionsByCheck.delete(bindingKey(nodeKey, check, id))
  }
  touchSession(draft, nodeKey, id)
  for (const key of next.locks.valuesUnder(pairKey(id, ''))) endLock(draft, key, session)
  deleteQueriesOfSession(draft, id)
  setSessionChecks(draft, nodeKey, session, 'critical', `Session '${id}' is invalid`)
}

export function invalidateSessionsOfCheck(draft: Draft, nodeKey: string, checkId: string): void {
  if (draft.next.sessionsByCheck.size === 0) return
  const bound = draft.next.sessionsByCheck.valuesUnder(bindingKey(nodeKey, checkId, ''))
  for (const id of bound) destroySession(draft, id)
}

export function invalidateSessionsOfNode(draft: Draft, nodeKey: string): void {
  for (const id of draft.next.sessionsByNode.valuesUnder(pairKey(nodeKey, ''))) {
    destroySession(draft, id)
  }
}

function boundChecks(
  session: Pick<SessionRecord, 'nodeChecks' | 'serviceChecks'>,
): readonly string[] {
  if (session.serviceChecks === null || session.serviceChecks.length === 0) {
    return session.nodeChecks
  }
  return session.nodeChecks.concat(session.serviceChecks.map((check) => check.id))
}

function bindingKey(nodeKey: string, checkId: string, sessionId: string): string {
  return nodeKey + KEY_SEPARATOR + checkId + KEY_SEPARATOR + sessionId
}

function touchSession(draft: Draft, nodeKey: string, id: string): void {
  touchTable(draft, 'sessions')
  draft.fired.push(sessionWatch(id))
  draft.fired.push(nodeSessionsWatch(nodeKey))
}

/**
 * A check of type `session` follows the session whose name its definition gives. Turning critical it ends
 * other sessions bound to it; each is gone from the tables before, so this always comes to an end.
 */
function setSessionChecks(
  draft: Draft,
  nodeKey: string,
  session: Omit<SessionRecord, keyof Indexed>,
  status: CheckStatus,
  output: string,
): void {
  if (session.name === '') return
  const changed: string[] = []
  for (const check of draft.next.nodes.get(nodeKey)?.checks.values() ?? []) {
    if (!followsSession(check, session.name)) continue
    if (check.status === status && check.output === output) continue
    putCheck(draft, nodeKey, { ...check, status, output, modifyIndex: draft.index })
    changed.push(check.checkId)
  }
  if (status !== 'critical') return
  for (const checkId of changed) invalidateSessionsOfCheck(draft, nodeKey, checkId)
}

function followsSession(check: CheckRecord, name: string): boolean {
  return check.type === SESSION_CHECK_TYPE && check.definition['SessionName'] === name
}
