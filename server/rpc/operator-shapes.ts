/**
 * The structure of what operators ask, checked when it comes from the wire. Pure tables.
 *
 * Whether a setting makes sense is judged by who carries it out. A call without a row does not compile.
 */

import { autopilotShape } from '../../core/catalog/command-shape.ts'
import {
  boolean,
  both,
  count,
  either,
  mapOf,
  object,
  type Shape,
  text,
} from '../../core/catalog/shape.ts'
import { FairleadError } from '../../core/errors.ts'
import type { OperatorCalls, OperatorName } from '../../core/rpc/operator.ts'
import type { OperateMessage } from '../../runtime/rpc/server-api-messages.ts'
import { check, checked } from './checked-message.ts'

const tokenIdentity = object({ accessorId: text, secretHash: text })

const CALLS: Readonly<Record<OperatorName, Shape>> = {
  'raft.configuration': object({ stale: boolean }),
  'raft.remove-peer': either(object({ id: text }), object({ address: text })),
  'raft.transfer-leader': object({}, { id: text }),
  'autopilot.config': object({}),
  'autopilot.config.set': object({ config: autopilotShape }, { cas: count }),
  'autopilot.state': object({}),
  'acl.bootstrap': tokenIdentity,
  'acl.login': both(
    tokenIdentity,
    object({ authMethod: text, bearerToken: text, meta: mapOf(text) }),
  ),
  'acl.logout': object({}),
  'join.authorities': object({}),
  'join.redeem': object({
    secret: text,
    node: text,
    agentToken: tokenIdentity,
    dnsToken: tokenIdentity,
  }),
}

const calls = new Map<string, Shape>(Object.entries(CALLS))
const operateMessage = object({ name: text, request: object({}) })

/** @throws FairleadError BAD_REQUEST that says where, NOT_SUPPORTED for a call this version does not know */
export function checkedOperation(value: unknown): {
  readonly name: OperatorName
  readonly request: OperatorCalls[OperatorName]['request']
} {
  const message = checked<OperateMessage>(operateMessage, value)
  const shape = calls.get(message.name)
  if (shape === undefined) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown call "${message.name.slice(0, 64)}"`)
  }
  check(shape, message.request, message.name)
  return message as { name: OperatorName; request: OperatorCalls[OperatorName]['request'] }
}
