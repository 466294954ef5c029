/**
 * Intentions as the API spells them, and finding one by source and destination or by id.
 */

import type { ApiClient } from './api-client.ts'
import { UsageError } from './command.ts'

export interface IntentionAnswer {
  /** Only intentions made in the old way, by id, have one. */
  readonly ID?: string
  readonly Description?: string
  readonly SourceName: string
  readonly DestinationName: string
  /** Absent when permissions decide. */
  readonly Action?: string
  readonly Permissions?: readonly unknown[] | null
  readonly Meta: Readonly<Record<string, string>> | null
  readonly Precedence: number
  readonly CreatedAt: string
}

/** `web => db (allow)`; rules on requests have no single action. */
export function intentionLine(intention: IntentionAnswer): string {
  const action =
    intention.Action === '' ? `${intention.Permissions?.length ?? 0} permissions` : intention.Action
  return `${intention.SourceName} => ${intention.DestinationName} (${action})`
}

/** @throws FairleadError NOT_FOUND, UsageError for a wrong number of arguments */
export async function readIntention(
  client: ApiClient,
  positionals: readonly string[],
): Promise<IntentionAnswer> {
  const [first, second, ...more] = positionals
  if (first === undefined || more.length > 0) {
    throw new UsageError('Error: command requires exactly 1 or 2 arguments')
  }
  const answer =
    second === undefined
      ? await client.get(`/v1/connect/intentions/${encodeURIComponent(first)}`)
      : await client.get('/v1/connect/intentions/exact', {
          query: { source: first, destination: second },
        })
  return answer.json() as IntentionAnswer
}
