/**
 * Events of operators (http-api.md 15).
 */

import type { OperatorEvent } from '../../../core/events/operator-event.ts'
import { bytes, text } from './json.ts'

export function eventJson(event: OperatorEvent): string {
  return (
    `{"ID":${text(event.id)},"Name":${text(event.name)},"Payload":${bytes(event.payload)},` +
    `"NodeFilter":${text(event.nodeFilter)},"ServiceFilter":${text(event.serviceFilter)},` +
    `"TagFilter":${text(event.tagFilter)},"Version":1,"LTime":${event.time}}`
  )
}
