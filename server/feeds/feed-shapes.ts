/**
 * What an agent may say on its stream of feeds, checked before anything is done about it.
 */

import { count, object, oneOf, text } from '../../core/catalog/shape.ts'
import { FairleadError } from '../../core/errors.ts'
import type { FromAgent } from '../../runtime/rpc/feed-messages.ts'
import { checked } from '../rpc/checked-message.ts'

const topic = object({
  topic: oneOf(
    'health',
    'connect',
    'intentions',
    'roots',
    'config',
    'virtual-ips',
    'node',
    'address',
  ),
  key: text,
})

const SHAPES = {
  follow: object(
    { kind: oneOf('follow'), topic },
    { from: object({ epoch: text, index: count }), secret: text },
  ),
  leave: object({ kind: oneOf('leave'), topic }),
  ping: object({ kind: oneOf('ping') }),
} as const

/** @throws FairleadError BAD_REQUEST */
export function checkedFeedMessage(value: unknown): FromAgent {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : ''
  if (kind !== 'follow' && kind !== 'leave' && kind !== 'ping') {
    throw new FairleadError('BAD_REQUEST', 'Unknown message on a stream of feeds')
  }
  return checked<FromAgent>(SHAPES[kind], value)
}
