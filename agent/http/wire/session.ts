/**
 * A session as session/* prints it (http-api.md 14): the lock delay in nanoseconds.
 */

import type { SessionRecord } from '../../../core/catalog/types.ts'
import { NS_PER_MS } from '../../../core/duration.ts'
import { list, text, textList } from './json.ts'

export function sessionJson(session: SessionRecord): string {
  const { serviceChecks } = session
  const services =
    serviceChecks === null
      ? 'null'
      : list(serviceChecks, (c) => `{"ID":${text(c.id)},"Namespace":${text(c.namespace)}}`)
  return (
    `{"ID":${text(session.id)},"Name":${text(session.name)},"Node":${text(session.node)},` +
    `"LockDelay":${Math.round(session.lockDelayMs * NS_PER_MS)},` +
    `"Behavior":${text(session.behavior)},"TTL":${text(session.ttl)},` +
    `"NodeChecks":${textList(session.nodeChecks)},"ServiceChecks":${services},` +
    `"CreateIndex":${session.createIndex},"ModifyIndex":${session.modifyIndex}}`
  )
}

export function sessionListJson(sessions: readonly SessionRecord[]): string {
  return list(sessions, sessionJson)
}
