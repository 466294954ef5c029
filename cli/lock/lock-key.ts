/**
 * Keys of a lock as the API tells them: read, waited for, compared and set.
 */

import type { ApiAnswer, ApiClient } from '../api-client.ts'
import { kvAnswers, kvPath } from '../kv-path.ts'

export interface LockEntry {
  readonly key: string
  readonly value: string
  readonly flags: bigint
  /** '' when nobody holds the key. */
  readonly session: string
  readonly modifyIndex: number
}

export interface LockEntries {
  readonly entries: readonly LockEntry[]
  /** For the next question, which then waits for a change. */
  readonly index: string
}

export interface LockRead {
  /** All keys below it, too. */
  readonly recurse: boolean
  /** Waits until something is newer; '' answers at once. */
  readonly index: string
  readonly signal: AbortSignal
}

/** Of one question; the next one follows at once. */
const WAIT = '15s'

export async function readLockEntries(
  client: ApiClient,
  key: string,
  { recurse, index, signal }: LockRead,
): Promise<LockEntries> {
  const query = {
    consistent: '',
    recurse: recurse ? '' : undefined,
    index: index === '' ? undefined : index,
    wait: index === '' ? undefined : WAIT,
  }
  const answer = await client.get(kvPath(key), { query, accept: [404], signal })
  return {
    entries: parseEntries(answer),
    index: nextIndex(index, answer.header('x-consul-index') ?? ''),
  }
}

/** @returns whether it was done: false when another session or a newer value stands against it */
export async function changeLockKey(
  client: ApiClient,
  key: string,
  change: {
    readonly method: 'PUT' | 'DELETE'
    readonly query: Readonly<Record<string, string>>
    readonly value?: string
    readonly signal?: AbortSignal
  },
): Promise<boolean> {
  const { method, query, value, signal } = change
  const answer = await client.send(kvPath(key), {
    method,
    query,
    ...(value === undefined ? {} : { body: value }),
    ...(signal === undefined ? {} : { signal }),
  })
  return answer.text().trim() === 'true'
}

/** An index that went back means that the servers began anew: nothing is known then. */
function nextIndex(former: string, index: string): string {
  return former !== '' && Number(index) < Number(former) ? '' : index
}

function parseEntries(answer: ApiAnswer): readonly LockEntry[] {
  return kvAnswers(answer).map((entry) => ({
    key: entry.Key,
    value: Buffer.from(entry.Value ?? '', 'base64').toString(),
    flags: entry.Flags,
    session: entry.Session ?? '',
    modifyIndex: entry.ModifyIndex,
  }))
}
