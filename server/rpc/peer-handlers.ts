/**
 * What other servers ask, over RPC: every message is checked, then handed on (core/rpc/peer-calls.ts).
 *
 * Guarantees: nothing malformed gets past (BAD_REQUEST says where) but a command, which who executes
 * it decodes as he does log entries; configurations obey the rules of core/raft/configuration.ts. A call that was sent on comes in here and
 * nowhere else, so that whoever executes it knows not to send it on again. Says nothing about who may call.
 */

import { coordinateRecordShape } from '../../core/catalog/command-shape.ts'
import {
  boolean,
  bytes,
  count,
  listOf,
  object,
  oneOf,
  type Shape,
  text,
} from '../../core/catalog/shape.ts'
import { FairleadError } from '../../core/errors.ts'
import { configurationFault } from '../../core/raft/configuration.ts'
import type {
  BootstrapAnswer,
  BootstrapRequest,
  ForwardedMessages,
  ForwardedMethod,
  PeerStats,
} from '../../core/rpc/peer-calls.ts'
import type { PeerHandlers } from '../../runtime/rpc/rpc-host.ts'
import type { ForwardMessage } from '../../runtime/rpc/server-api-messages.ts'
import { checked } from './checked-message.ts'
import { checkedOperation } from './operator-shapes.ts'

const MEMBERS_MAX = 255

export interface PeerHandlersDeps {
  readonly stats: () => PeerStats | Promise<PeerStats>
  readonly bootstrap: (request: BootstrapRequest, signal: AbortSignal) => Promise<BootstrapAnswer>
  /** Executes here or throws NO_LEADER; the message has the shape of its method. */
  readonly forwarded: <M extends ForwardedMethod>(
    method: M,
    message: ForwardedMessages[M],
    signal: AbortSignal,
  ) => Promise<unknown>
}

const id: Shape = (value) =>
  typeof value === 'string' && value.length > 0 && value.length <= 255
    ? undefined
    : ': expected an id of 1 to 255 characters'
const members: Shape = (value) =>
  Array.isArray(value) && value.length > MEMBERS_MAX
    ? `: expected at most ${MEMBERS_MAX} members`
    : undefined
const ids: Shape = (value) => members(value) ?? listOf(id)(value)
const addresses: Shape = (value) => members(value) ?? listOf(object({ id, address: text }))(value)

const bootstrapMessage = object({
  step: oneOf('accept', 'begin', 'withdraw'),
  clusterId: id,
  expect: count,
  configuration: object({
    incoming: ids,
    outgoing: ids,
    learners: ids,
    learnersNext: ids,
    autoLeave: boolean,
    addresses,
  }),
})

const forwardMessage = object({
  method: oneOf('write', 'signLeaf', 'renewSession', 'placeNode', 'operator'),
  message: object({}),
})
const writeMessage = object({ command: bytes })
const signLeafMessage = object({ csrPem: text })
const renewSessionMessage = object({ id: text })
const placeNodeMessage = object({ place: coordinateRecordShape })

export function peerHandlers(deps: PeerHandlersDeps): PeerHandlers {
  return {
    stats: async () => deps.stats(),
    bootstrap: async (request, signal) => deps.bootstrap(checkedBootstrap(request), signal),
    forward: async (request, signal) => {
      const { method, message } = checked<ForwardMessage>(forwardMessage, request)
      switch (method) {
        case 'write':
          return deps.forwarded('write', checked(writeMessage, message), signal)
        case 'signLeaf':
          return deps.forwarded('signLeaf', checked(signLeafMessage, message), signal)
        case 'renewSession':
          return deps.forwarded('renewSession', checked(renewSessionMessage, message), signal)
        case 'placeNode':
          return deps.forwarded('placeNode', checked(placeNodeMessage, message), signal)
        case 'operator':
          return deps.forwarded('operator', checkedOperation(message), signal)
      }
    },
  }
}

function checkedBootstrap(value: unknown): BootstrapRequest {
  const request = checked<BootstrapRequest>(bootstrapMessage, value)
  const fault = configurationFault(request.configuration)
  if (fault === null) return request
  throw new FairleadError('BAD_REQUEST', `Malformed request, message.configuration: ${fault}`)
}
