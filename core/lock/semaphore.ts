/**
 * The record of a semaphore in the KV store, in the form that Consul's lock libraries share (http-api.md 27). Pure.
 *
 * Guarantees: never more holders than the limit; a holder whose contender key has no session any more does not
 * count. Bounds: a record of RECORD_LENGTH_MAX characters.
 */

/** On the key of a lock; other flags mean that it is something else's. */
export const LOCK_FLAGS = 0x2ddccbc058a50c18n
/** On the keys of a semaphore. */
export const SEMAPHORE_FLAGS = 0xe0f69a2baa414de0n

export interface SemaphoreRecord {
  readonly limit: number
  /** Ids of sessions. */
  readonly holders: ReadonlySet<string>
}

const RECORD_LENGTH_MAX = 512 * 1024

/** @returns undefined for a text that is no such record */
export function parseSemaphore(text: string): SemaphoreRecord | undefined {
  if (text.length > RECORD_LENGTH_MAX) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (err) {
    if (err instanceof SyntaxError) return undefined
    throw err
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { Limit, Holders } = parsed as { Limit?: unknown; Holders?: unknown }
  if (typeof Limit !== 'number' || !Number.isSafeInteger(Limit) || Limit < 1) return undefined
  if (Holders !== undefined && (typeof Holders !== 'object' || Array.isArray(Holders))) {
    return undefined
  }
  const held = Object.entries(Holders ?? {}).filter(([, isHeld]) => isHeld === true)
  return { limit: Limit, holders: new Set(held.map(([session]) => session)) }
}

export function printSemaphore(record: SemaphoreRecord): string {
  const holders = Object.fromEntries([...record.holders].map((session) => [session, true]))
  return JSON.stringify({ Limit: record.limit, Holders: holders })
}

/** @param alive sessions that still hold their contender key */
export function withoutDead(record: SemaphoreRecord, alive: ReadonlySet<string>): SemaphoreRecord {
  return { ...record, holders: new Set([...record.holders].filter((held) => alive.has(held))) }
}

/** @returns undefined while all places are taken */
export function withHolder(record: SemaphoreRecord, session: string): SemaphoreRecord | undefined {
  if (record.holders.has(session)) return record
  if (record.holders.size >= record.limit) return undefined
  return { ...record, holders: new Set([...record.holders, session]) }
}

export function withoutHolder(record: SemaphoreRecord, session: string): SemaphoreRecord {
  return { ...record, holders: new Set([...record.holders].filter((held) => held !== session)) }
}
