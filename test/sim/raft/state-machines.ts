/**
 * What applies the log in a simulated server: the real state store, or a tiny one of its own making.
 *
 * Both execute the operations of test/history/kv-model.ts. The tiny machine is written from the meaning of
 * those operations alone, so that faults of the store do not hide faults of consensus; the real one brings
 * the codec, the request window, sessions and images that are shipped.
 */

import { decodeLogged, encodeCommand } from '../../../core/catalog/codec.ts'
import type { ApplyResult, Command, KvOp, TxnOp } from '../../../core/catalog/commands.ts'
import type { RequestId } from '../../../core/catalog/request-id.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import type { KvEntry } from '../../../core/catalog/types.ts'
import { type WallTime, wallTime } from '../../../core/time.ts'
import type { KvEntrySeen, KvInput, KvOutput, KvTxnOp } from '../../history/kv-model.ts'
import { TinyMachine } from './tiny-machine.ts'

/** Null: applied at some time, and what came of it is forgotten. */
export type MachineResult = KvOutput | null

export interface SimMachine {
  /** @returns the result; `index` is that of the first execution of a repeated request */
  apply(index: number, data: Uint8Array): { readonly result: MachineResult; readonly index: number }
  get(key: string): KvEntrySeen | null
  image(): Uint8Array
}

export interface MachineKind {
  fresh(): SimMachine
  restored(image: Uint8Array): SimMachine
  encode(input: KvInput, request: RequestId, now: number): Uint8Array
  /** `origin/seq` of the request that an entry carries. */
  nameIn(data: Uint8Array): string | null
}

const NODE = 'n1'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const recorderKind: MachineKind = {
  fresh: () => new TinyMachine(),
  restored: (image) => TinyMachine.fromImage(image),
  encode(input, request) {
    return encoder.encode(JSON.stringify([`${request.origin}/${request.seq}`, input]))
  },
  nameIn: (data) => String(JSON.parse(decoder.decode(data))[0]),
}

export const storeKind: MachineKind = {
  fresh: () => new StoreMachine(new StateStore({ datacenter: 'dc1' })),
  restored(image) {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    return new StoreMachine(store)
  },
  encode(input, request, now) {
    return encodeCommand(commandOf(input, wallTime(now)), request)
  },
  nameIn(data) {
    const { requestId } = decodeLogged(data)
    return requestId === undefined ? null : `${requestId.origin}/${requestId.seq}`
  },
}

/** The first command of a run with the real store: sessions live on a node. */
export function registerNode(): Uint8Array {
  const request = {
    id: '',
    node: NODE,
    address: '10.0.0.1',
    taggedAddresses: null,
    meta: null,
    skipNodeUpdate: false,
    checks: [],
  }
  // Not stamped: the store's time begins at zero, as in a real cluster, until the first stamp comes.
  return encodeCommand({ kind: 'register', request })
}

class StoreMachine implements SimMachine {
  readonly #store: StateStore

  constructor(store: StateStore) {
    this.#store = store
  }

  apply(index: number, data: Uint8Array): { result: MachineResult; index: number } {
    const { command, requestId } = decodeLogged(data)
    const result = this.#store.apply(index, command, requestId)
    return { result: outputOf(command, result), index: result.replayOf ?? index }
  }

  get(key: string): KvEntrySeen | null {
    const { value } = this.#store.read('kv.get', { key })
    return value === null ? null : seen(value)
  }

  image(): Uint8Array {
    return concatenated([...this.#store.snapshot().image()])
  }
}

function commandOf(input: KvInput, now: WallTime): Command {
  switch (input.f) {
    case 'get':
      return { kind: 'noop' }
    case 'session-create':
      return {
        kind: 'session.create',
        session: {
          id: input.session,
          name: '',
          node: NODE,
          lockDelayMs: 0,
          behavior: 'release',
          ttlMs: 0,
          ttl: '',
          nodeChecks: [],
          serviceChecks: null,
        },
      }
    case 'session-destroy':
      return { kind: 'session.destroy', id: input.session, now }
    case 'txn':
      return { kind: 'txn', ops: input.ops.map(txnOp), now }
    case 'put':
      return { kind: 'kv', op: { verb: 'set', entry: write(input.key, input.value) }, now }
    case 'cas':
      return {
        kind: 'kv',
        op: { verb: 'cas', entry: write(input.key, input.value), index: input.index },
        now,
      }
    case 'delete':
      return { kind: 'kv', op: { verb: 'delete', key: input.key }, now }
    case 'delete-cas':
      return { kind: 'kv', op: { verb: 'delete-cas', key: input.key, index: input.index }, now }
    case 'acquire':
    case 'release': {
      const verb = input.f === 'acquire' ? 'lock' : 'unlock'
      return {
        kind: 'kv',
        op: { verb, entry: write(input.key, input.value, input.session) },
        now,
      }
    }
  }
}

function txnOp(op: KvTxnOp): TxnOp {
  switch (op.f) {
    case 'get':
    case 'get-or-empty':
    case 'check-not-exists':
    case 'delete':
      return { type: 'kv', op: { verb: op.f, key: op.key } }
    case 'put':
      return { type: 'kv', op: { verb: 'set', entry: write(op.key, op.value) } }
    case 'cas':
      return { type: 'kv', op: { verb: 'cas', entry: write(op.key, op.value), index: op.index } }
    case 'check-index':
      return { type: 'kv', op: { verb: 'check-index', key: op.key, index: op.index } }
    case 'check-session':
      return { type: 'kv', op: { verb: 'check-session', key: op.key, session: op.session } }
  }
}

function write(key: string, value: string, session = ''): Extract<KvOp, { verb: 'set' }>['entry'] {
  return { key, value: encoder.encode(value), flags: 0n, session }
}

function outputOf(command: Command, result: ApplyResult): MachineResult {
  if (!result.ok) {
    const isForgotten = result.code !== 'TXN_FAILED' && result.code !== 'REJECTED'
    return isForgotten && result.replayOf !== undefined ? null : { kind: 'done', done: false }
  }
  if (command.kind === 'txn') {
    if (!Array.isArray(result.value)) throw new Error('a transaction gives a list of results')
    const reads = command.ops.flatMap((op, i) => (isRead(op) ? [i] : []))
    return { kind: 'results', entries: readResults(command.ops, result.value, reads.length) }
  }
  return { kind: 'done', done: result.value !== false }
}

function isRead(op: TxnOp): boolean {
  return op.type === 'kv' && (op.op.verb === 'get' || op.op.verb === 'get-or-empty')
}

/**
 * Results come in the order of the operations, but operations without one are left out; writes give their
 * entry without its value, reads with it.
 */
function readResults(
  ops: readonly TxnOp[],
  results: readonly unknown[],
  reads: number,
): (KvEntrySeen | null)[] {
  const entries: (KvEntrySeen | null)[] = []
  for (const result of results) {
    const { entry, withValue } = result as { entry: KvEntry; withValue: boolean }
    if (withValue) entries.push(entry.createIndex === 0 ? null : seen(entry))
  }
  if (entries.length !== reads)
    throw new Error(`${reads} reads of ${ops.length} gave ${entries.length}`)
  return entries
}

function seen(entry: KvEntry): KvEntrySeen {
  const { value, modifyIndex, lockIndex, session } = entry
  return { value: decoder.decode(value), modifyIndex, lockIndex, session }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}
