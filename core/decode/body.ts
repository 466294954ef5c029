/**
 * Decodes the JSON body of a request, with the error texts of the HTTP API.
 *
 * Guarantees: whatever the bytes, the outcome is a value of the decoder's type or a FairleadError BAD_REQUEST
 * whose message starts with `Request decode failed: ` (http-api.md 2.2, 3). Integers beyond 2^53 arrive as
 * bigint. The size of the body is bounded before it gets here.
 */

import { FairleadError } from '../errors.ts'
import { type Decoder, decode } from './decoder.ts'
import { jsonFault } from './json-fault.ts'

/** Deepest nesting of a body; more is refused before any decoder sees it. */
export const BODY_DEPTH_MAX = 128

/** @throws FairleadError BAD_REQUEST */
export function decodeBody<T>(decoder: Decoder<T>, text: string): T {
  return decodeValue(decoder, parseJsonText(text))
}

/** For a body that was parsed already. @throws FairleadError BAD_REQUEST */
export function decodeValue<T>(decoder: Decoder<T>, input: unknown): T {
  const result = decode(decoder, input, { style: 'json' })
  if (result.ok) return result.value
  throw new FairleadError(
    'BAD_REQUEST',
    `Request decode failed: ${result.problems[0]?.message ?? 'invalid value'}`,
  )
}

/** A run of 16 digits or more may be an integer that a double cannot hold. */
const LONG_DIGITS = /[0-9]{16}/

/**
 * Parses JSON, keeping integers beyond 2^53 exact as bigint.
 *
 * @throws FairleadError BAD_REQUEST with the decode error; `EOF` for an empty text, as Go says
 */
export function parseJsonText(text: string): unknown {
  if (text.trim() === '') throw decodeFailed('EOF')
  if (depthOf(text) > BODY_DEPTH_MAX) throw decodeFailed('exceeded max depth')
  try {
    return LONG_DIGITS.test(text) ? JSON.parse(text, reviveExact) : JSON.parse(text)
  } catch (error) {
    const fault = jsonFault(text)
    if (fault === undefined) throw error
    throw decodeFailed(`${fault.reason} (line ${fault.line}, column ${fault.column})`)
  }
}

function decodeFailed(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Request decode failed: ${reason}`)
}

function reviveExact(
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source ?? ''
  return /^-?[0-9]{1,40}$/.test(source) ? BigInt(source) : value
}

/** Nesting of brackets outside strings. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === 0x5c) i++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x7d || code === 0x5d) depth--
  }
  return deepest
}
