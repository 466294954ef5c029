/**
 * The server API over RPC: every message is checked, then handed to the local implementation.
 *
 * Guarantees: nothing malformed reaches the state store or the log (BAD_REQUEST says where), commands
 * pass the same decoder as log entries, and a cancelled call stops its read. Feeds are server/feeds/. Who may call is decided
 * by the API that is made for the secret of a call.
 */

import { decodeCommand, decodeLogged, encodeCommand } from '../../core/catalog/codec.ts'
import { coordinateRecordShape } from '../../core/catalog/command-shape.ts'
import { boolean, bytes, object, text } from '../../core/catalog/shape.ts'
import { FairleadError } from '../../core/errors.ts'
import type { ReadName } from '../../core/rpc/reads.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import { wallTime } from '../../core/time.ts'
import { chunkParts, type ImagePart } from '../../runtime/rpc/image-part.ts'
import type { RpcHandlers } from '../../runtime/rpc/rpc-host.ts'
import type {
  PlaceNodeMessage,
  ReadMessage,
  RenewSessionMessage,
  SaveImageMessage,
  SignLeafMessage,
  WriteMessage,
} from '../../runtime/rpc/server-api-messages.ts'
import { check, checked } from './checked-message.ts'
import { checkedOperation } from './operator-shapes.ts'
import { readOptionsShape, readShape } from './read-shapes.ts'

const readMessage = object({ name: text, request: object({}), options: readOptionsShape })
const writeMessage = object({ command: bytes }, { datacenter: text })
const signLeafMessage = object({ csrPem: text })
const renewSessionMessage = object({ id: text })
const placeNodeMessage = object({ place: coordinateRecordShape })
const saveImageMessage = object({ stale: boolean })
/** @param apiOf on behalf of the secret of a token, '' for none */
export function serverApiHandlers(apiOf: (secret: string) => ServerApi): RpcHandlers {
  return {
    read: async (request, signal, secret) => {
      const { name, request: question, options } = checkedRead(request)
      return apiOf(secret).read(name, question, { ...options, signal })
    },
    write: async (request, signal, secret) => {
      const message = checked<WriteMessage>(writeMessage, request)
      const { datacenter } = message
      const { command, requestId } = decodeLogged(message.command)
      return apiOf(secret).write(command, {
        ...(datacenter === undefined ? {} : { datacenter }),
        ...(requestId === undefined ? {} : { requestId }),
        signal,
      })
    },
    signLeaf: async (request, signal, secret) =>
      apiOf(secret).signLeaf(checked<SignLeafMessage>(signLeafMessage, request).csrPem, signal),
    renewSession: async (request, signal, secret) =>
      apiOf(secret).renewSession(
        checked<RenewSessionMessage>(renewSessionMessage, request).id,
        signal,
      ),
    placeNode: async (request, signal, secret) => {
      const { place } = checked<PlaceNodeMessage>(placeNodeMessage, request)
      await apiOf(secret).placeNode(place, signal)
      return null
    },
    status: (_, signal, secret) => apiOf(secret).status(signal),
    operate: async (request, signal, secret) => {
      const { name, request: wish } = checkedOperation(request)
      return apiOf(secret).operate(name, wish, signal)
    },
    saveImage: (request, signal, secret) => image(apiOf(secret), request, signal),
    restoreImage: async (chunks, signal, secret) => {
      await apiOf(secret).restoreImage(chunks, signal)
      return null
    },
  }
}

async function* image(
  api: ServerApi,
  request: unknown,
  signal: AbortSignal,
): AsyncGenerator<ImagePart> {
  const { stale } = checked<SaveImageMessage>(saveImageMessage, request)
  const { chunks, ...head } = await api.saveImage({ stale, signal })
  yield { kind: 'head', value: head }
  yield* chunkParts(chunks)
}

function checkedRead(value: unknown): ReadMessage {
  const message = checked<ReadMessage>(readMessage, value)
  const shape = readShape(message.name)
  if (shape === undefined) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown read "${message.name.slice(0, 64)}"`)
  }
  check(shape, message.request, message.name)
  if (message.name === ('txn.read' satisfies ReadName)) checkTxnOps(message.request)
  return message
}

/** Operations of a read transaction have the shapes they have in a command; so let its decoder judge. */
function checkTxnOps(request: ReadMessage['request']): void {
  const { ops } = request as ReadMessage<'txn.read'>['request']
  decodeCommand(encodeCommand({ kind: 'txn', ops, now: wallTime(0) }))
}
