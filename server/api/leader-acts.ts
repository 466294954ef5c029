/**
 * What the leader does for others: writes, leaf certificates, renewed sessions, operators' wishes.
 *
 * Called by this server's own API when it leads, and for calls that another server has sent on. Guarantees:
 * a call that was sent on and finds no leader here ends with NO_LEADER, certainly not executed, and goes no
 * further. Does not hold and does not repeat: whoever accepted the request does (leader-hold.ts).
 */

import { decodeLogged } from '../../core/catalog/codec.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { RequestId } from '../../core/catalog/request-id.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { CoordinateRecord, SessionRecord } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { OperatorCalls, OperatorName } from '../../core/rpc/operator.ts'
import type { ForwardedMessages, ForwardedMethod } from '../../core/rpc/peer-calls.ts'
import type { SignedLeaf, WriteResult } from '../../core/rpc/server-api.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { CommandWriter } from './command-writer.ts'
import { assertServersMayWrite } from './write-rules.ts'

export interface LeaderActsDeps {
  readonly raft: Pick<RaftNodeApi, 'readIndex' | 'status'>
  readonly store: Pick<StateStoreApi, 'read'>
  readonly writer: CommandWriter
  /** Signs on the leader (server/ca/). */
  readonly signLeaf: (csrPem: string, signal?: AbortSignal) => Promise<SignedLeaf>
  /** Takes over a configuration of the CA, with a rotation of its root where that is asked for. */
  readonly configureCa: (command: Command & { readonly kind: 'ca.config.set' }) => Promise<void>
  /** Re-arms the leader's timer of a session. */
  readonly touchSession: (session: SessionRecord) => void
  /** Notes where a node stands, to be written later. @throws FairleadError REJECTED | RATE_LIMITED */
  readonly placeNode: (place: CoordinateRecord) => void
  readonly operate: <N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
  ) => Promise<OperatorCalls[N]['reply']>
}

export class LeaderActs {
  readonly #deps: LeaderActsDeps

  constructor(deps: LeaderActsDeps) {
    this.#deps = deps
  }

  async write(command: Command, requestId: RequestId | undefined): Promise<WriteResult> {
    if (command.kind === 'ca.config.set') {
      await this.#deps.configureCa(command)
      return { ok: true, value: true, index: this.#deps.store.read('ca.config', {}).index }
    }
    return this.#deps.writer.write(command, requestId)
  }

  signLeaf(csrPem: string, signal: AbortSignal | undefined): Promise<SignedLeaf> {
    return this.#deps.signLeaf(csrPem, signal)
  }

  async renewSession(id: string): Promise<SessionRecord | null> {
    await this.#deps.raft.readIndex()
    const session = this.#deps.store.read('session.get', { id }).value
    if (session !== null) this.#deps.touchSession(session)
    return session
  }

  /** @returns null: the answer of a call that was sent on. @throws FairleadError as `LeaderActsDeps.placeNode` */
  placeNode(place: CoordinateRecord): null {
    this.#deps.placeNode(place)
    return null
  }

  operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
  ): Promise<OperatorCalls[N]['reply']> {
    return this.#deps.operate(name, request)
  }

  /** A call that another server sent on; the message has been checked for its shape. */
  async forwarded<M extends ForwardedMethod>(
    method: M,
    message: ForwardedMessages[M],
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (this.#deps.raft.status().role !== 'leader') {
      throw new FairleadError('NO_LEADER', 'This server is not the leader')
    }
    const call = { method, message } as ForwardedCall
    switch (call.method) {
      case 'write': {
        const { command, requestId } = decodeLogged(call.message.command)
        assertServersMayWrite(command)
        return this.write(command, requestId)
      }
      case 'signLeaf':
        return this.signLeaf(call.message.csrPem, signal)
      case 'renewSession':
        return this.renewSession(call.message.id)
      case 'placeNode':
        return this.placeNode(call.message.place)
      case 'operator':
        return this.operate(call.message.name, call.message.request as never)
    }
  }
}

type ForwardedCall = {
  [M in ForwardedMethod]: { readonly method: M; readonly message: ForwardedMessages[M] }
}[ForwardedMethod]
