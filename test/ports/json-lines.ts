/**
 * A port is a program that answers each line of JSON on its standard input with one line on its output.
 *
 * A line that cannot be answered gets `{"error": "…"}` and changes nothing; the next one is read on.
 */

import { createInterface } from 'node:readline'

export class PortError extends Error {}

export type JsonObject = Readonly<Record<string, unknown>>

export async function serveLines(answer: (request: JsonObject) => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (line.trim() === '') continue
    process.stdout.write(`${JSON.stringify(reply(line, answer))}\n`)
  }
}

function reply(line: string, answer: (request: JsonObject) => unknown): unknown {
  try {
    return answer(objectAt(JSON.parse(line), 'a request'))
  } catch (thrown) {
    if (thrown instanceof PortError || thrown instanceof SyntaxError) {
      return { error: thrown.message }
    }
    // A broken invariant of the code under test is an answer too, and the most interesting one.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return { error: error.message, thrown: error.name }
  }
}

/**
 * The request's name and fields: `{"op": "pull", "id": "a"}` (also "cmd" or "request" for "op"), or
 * `{"pull": {"id": "a"}}`.
 */
export function named(request: JsonObject, names: readonly string[]): [string, JsonObject] {
  for (const key of ['op', 'cmd', 'request']) {
    const name = request[key]
    if (typeof name === 'string' && names.includes(name)) return [name, request]
  }
  const [key = ''] = Object.keys(request)
  if (Object.keys(request).length === 1 && names.includes(key)) {
    return [key, objectAt(request[key], key)]
  }
  throw new PortError(`"op" names the request: one of ${names.join(', ')}`)
}

export function objectAt(value: unknown, what: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject
  }
  throw new PortError(`${what} is an object`)
}

export function textAt(from: JsonObject, key: string): string {
  const value = from[key]
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  throw new PortError(`"${key}" is a text`)
}

export function countAt(from: JsonObject, key: string, absent?: number): number {
  const value = from[key]
  if (value === undefined && absent !== undefined) return absent
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new PortError(`"${key}" is a whole number, not negative`)
}

export function listAt(from: JsonObject, key: string): readonly unknown[] {
  const value = from[key]
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw new PortError(`"${key}" is a list`)
}

export function textsAt(from: JsonObject, key: string): readonly string[] {
  return listAt(from, key).map((value) => {
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    throw new PortError(`"${key}" is a list of texts`)
  })
}
