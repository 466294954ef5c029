/**
 * Commands as bytes: what a Raft entry and a forwarded write carry. Pure.
 *
 * One version byte, then tagged JSON (json-codec.ts). Guarantees: decoding what was encoded gives an equal
 * command; anything else gives one FairleadError and no command. A kind or version from the future is
 * told apart from damage, because a server that meets one must stop before applying (raft.md 7).
 * Bound: COMMAND_SIZE_MAX bytes.
 */

import { FairleadError } from '../errors.ts'
import { commandShape } from './command-shape.ts'
import type { Command } from './commands.ts'
import { decodeJson, encodeJson } from './json-codec.ts'

export const COMMAND_VERSION = 1
export const COMMAND_SIZE_MAX = 32 * 1024 * 1024

/** @throws FairleadError BAD_REQUEST (not data), TOO_LARGE */
export function encodeCommand(command: Command): Uint8Array {
  const body = encodeJson(command)
  if (body.length >= COMMAND_SIZE_MAX) throw tooLarge(body.length + 1)
  const out = new Uint8Array(body.length + 1)
  out[0] = COMMAND_VERSION
  out.set(body, 1)
  return out
}

/**
 * @returns a value that shares nothing with `bytes`
 * @throws FairleadError BAD_REQUEST (damaged or not a command), NOT_SUPPORTED (a version or kind that this
 *   program does not know), TOO_LARGE
 */
export function decodeCommand(bytes: Uint8Array): Command {
  if (bytes.length > COMMAND_SIZE_MAX) throw tooLarge(bytes.length)
  const version = bytes[0]
  if (version === undefined) throw damaged('no bytes')
  if (version !== COMMAND_VERSION) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown version ${version} of a command`)
  }
  const value = decodeJson(bytes.subarray(1))
  const kind = kindOf(value)
  if (kind === undefined) throw damaged('it has no kind')
  const shape = commandShape(kind)
  if (shape === undefined) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown kind "${kind.slice(0, 64)}" of a command`)
  }
  const problem = shape(value)
  if (problem !== undefined) throw damaged(`${kind}${problem}`)
  return value as Command
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
