/**
 * Commands as bytes: what a Raft entry and a forwarded write carry. Pure.
 *
 * Version 1 is that byte and a body: tagged JSON (json-codec.ts) or compact-kv.ts; version 2 has the request's name in between: origin
 * and boot, each with a byte for its length, and 8 bytes of number, big-endian. Guarantees: what is
 * encoded can be decoded, and gives an equal command; anything else gives one FairleadError and no command. A kind or
 * version from the future is told apart from damage, because a server that meets one must stop before
 * applying (raft.md 7). Bound: COMMAND_SIZE_MAX bytes.
 */

import { FairleadError } from '../errors.ts'
import { commandShape } from './command-shape.ts'
import type { Command } from './commands.ts'
import { COMPACT_KV, decodeCompactKv, encodeCompactKv } from './compact-kv.ts'
import { decodeJson, encodeJson } from './json-codec.ts'
import { REQUEST_NAME_SIZE_MAX, type RequestId } from './request-id.ts'
import { putUtf8, utf8At, utf8Size } from './short-text.ts'

export const COMMAND_VERSION = 1
export const NAMED_COMMAND_VERSION = 2
export const COMMAND_SIZE_MAX = 32 * 1024 * 1024

const SEQ_SIZE = 8
const TWO_32 = 4_294_967_296

/** A command as it stands in the log. */
export interface LoggedCommand {
  readonly command: Command
  /** Undefined for one that nobody will send twice. */
  readonly requestId: RequestId | undefined
}

/** @throws FairleadError BAD_REQUEST (no command that could be decoded, or no valid name of a request), TOO_LARGE */
export function encodeCommand(command: Command, requestId?: RequestId): Uint8Array {
  const head = requestId === undefined ? Uint8Array.of(COMMAND_VERSION) : encodeHead(requestId)
  const compact = encodeCompactKv(command, head.length)
  if (compact !== undefined) {
    if (compact.length > COMMAND_SIZE_MAX) throw tooLarge(compact.length)
    compact.set(head)
    return compact
  }
  // An entry of the log that cannot be decoded stops every server that comes to it.
  const problem = problemOf(command)
  if (problem !== undefined) {
    throw new FairleadError('BAD_REQUEST', `Cannot encode command: ${problem}`)
  }
  const body = encodeJson(command)
  const size = head.length + body.length
  if (size > COMMAND_SIZE_MAX) throw tooLarge(size)
  const out = new Uint8Array(size)
  out.set(head)
  out.set(body, head.length)
  return out
}

/**
 * @returns a value that shares nothing with `bytes`
 * @throws FairleadError as `decodeLogged`
 */
export function decodeCommand(bytes: Uint8Array): Command {
  return decodeLogged(bytes).command
}

/**
 * @returns a value that shares nothing with `bytes`
 * @throws FairleadError BAD_REQUEST (damaged or not a command), NOT_SUPPORTED (a version or kind that this
 *   program does not know), TOO_LARGE
 */
export function decodeLogged(bytes: Uint8Array): LoggedCommand {
  if (bytes.length > COMMAND_SIZE_MAX) throw tooLarge(bytes.length)
  const version = bytes[0]
  switch (version) {
    case undefined:
      throw damaged('no bytes')
    case COMMAND_VERSION:
      return { command: decodeBody(bytes.subarray(1)), requestId: undefined }
    case NAMED_COMMAND_VERSION: {
      const { requestId, size } = decodeHead(bytes)
      return { command: decodeBody(bytes.subarray(size)), requestId }
    }
    default:
      throw new FairleadError('NOT_SUPPORTED', `Unknown version ${version} of a command`)
  }
}

/** @returns why this cannot name a request, undefined when it can */
export function requestIdProblem({ origin, boot, seq }: RequestId): string | undefined {
  const isName = (text: string): boolean => text !== '' && utf8Size(text) <= REQUEST_NAME_SIZE_MAX
  if (!isName(origin)) return `.origin: expected 1 to ${REQUEST_NAME_SIZE_MAX} bytes`
  if (!isName(boot)) return `.boot: expected 1 to ${REQUEST_NAME_SIZE_MAX} bytes`
  if (!Number.isSafeInteger(seq) || seq < 1) return '.seq: expected an integer of at least 1'
  return undefined
}

function encodeHead(requestId: RequestId): Uint8Array {
  const problem = requestIdProblem(requestId)
  if (problem !== undefined) {
    throw new FairleadError('BAD_REQUEST', `Cannot encode request id${problem}`)
  }
  const { origin, boot } = requestId
  const bootAt = 2 + utf8Size(origin)
  const seqAt = bootAt + 1 + utf8Size(boot)
  const head = new Uint8Array(seqAt + SEQ_SIZE)
  head[0] = NAMED_COMMAND_VERSION
  head[1] = bootAt - 2
  putUtf8(head, 2, origin)
  head[bootAt] = seqAt - bootAt - 1
  putUtf8(head, bootAt + 1, boot)
  putWord(head, seqAt, Math.floor(requestId.seq / TWO_32))
  putWord(head, seqAt + 4, requestId.seq % TWO_32)
  return head
}

function decodeHead(bytes: Uint8Array): { readonly requestId: RequestId; readonly size: number } {
  const bootAt = 2 + (bytes[1] ?? 0)
  const seqAt = bootAt + 1 + (bytes[bootAt] ?? 0)
  const size = seqAt + SEQ_SIZE
  if (bytes.length < size) throw damaged('the name of its request is cut')
  const requestId: RequestId = {
    origin: utf8At(bytes, 2, bootAt),
    boot: utf8At(bytes, bootAt + 1, seqAt),
    seq: wordAt(bytes, seqAt) * TWO_32 + wordAt(bytes, seqAt + 4),
  }
  const problem = requestIdProblem(requestId)
  if (problem !== undefined) throw damaged(`request id${problem}`)
  return { requestId, size }
}

function putWord(out: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = (word >>> (24 - 8 * i)) & 0xff
}

function wordAt(bytes: Uint8Array, at: number): number {
  let word = 0
  for (let i = 0; i < 4; i++) word = word * 256 + (bytes[at + i] as number)
  return word
}

function decodeBody(bytes: Uint8Array): Command {
  if (bytes[0] === COMPACT_KV) {
    const command = decodeCompactKv(bytes)
    if (typeof command === 'string') throw damaged(command)
    return command
  }
  const value = decodeJson(bytes)
  const kind = kindOf(value)
  if (kind === undefined) throw damaged('it has no kind')
  if (commandShape(kind) === undefined) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown kind "${kind.slice(0, 64)}" of a command`)
  }
  const problem = problemOf(value as Command)
  if (problem !== undefined) throw damaged(problem)
  return value as Command
}

/** Where a command is not what its kind needs. */
function problemOf(command: Command): string | undefined {
  const problem = commandShape(command.kind)?.(command)
  return problem === undefined ? undefined : `${command.kind}${problem}`
}

function kindOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'kind')) return undefined
  const { kind } = value as { kind: unknown }
  return typeof kind === 'string' ? kind : undefined
}

function damaged(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Cannot decode command: ${reason}`)
}

function tooLarge(size: number): FairleadError {
  return new FairleadError(
    'TOO_LARGE',
    `Command too large (${size} bytes), max size: ${COMMAND_SIZE_MAX} bytes`,
  )
}
