/**
 * Keys of the KV store in the API: their path, and what an answer says of them.
 *
 * In a path slashes stay, everything else is escaped; one leading slash is dropped. Flags keep all 64 bits, which
 * numbers of JavaScript do not.
 */

import type { ApiAnswer } from './api-client.ts'

export function kvPath(key: string): string {
  return `/v1/kv/${normalKey(key).split('/').map(encodeURIComponent).join('/')}`
}

export function normalKey(key: string): string {
  return key.startsWith('/') ? key.slice(1) : key
}

export interface KvAnswer {
  readonly Key: string
  /** base64, null for an empty value. */
  readonly Value: string | null
  readonly Flags: bigint
  readonly LockIndex: number
  readonly Session?: string
  readonly CreateIndex: number
  readonly ModifyIndex: number
}

/** @returns nothing for a 404 */
export function kvAnswers(answer: ApiAnswer): readonly KvAnswer[] {
  if (answer.status === 404) return []
  return parseWithFlags(answer.text(), 'Flags') as readonly KvAnswer[]
}

/** JSON in which the numbers of one field become bigints. @throws SyntaxError */
export function parseWithFlags(text: string, field: string): unknown {
  // The third argument has the digits as written; it is newer than the declaration of the parameter.
  const exact = (key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const digits = context?.source ?? ''
    return key === field && /^[0-9]+$/.test(digits) ? BigInt(digits) : value
  }
  return JSON.parse(text, exact)
}
