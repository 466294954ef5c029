/**
 * A complete intention record for tests: what is not said is `web` → `db`, allow.
 */

import type { IntentionRecord } from '../../../../core/catalog/types.ts'
import { precedenceOf } from '../../../../core/intentions/precedence.ts'

export function intention(given: Partial<IntentionRecord>): IntentionRecord {
  const sourceName = given.sourceName ?? 'web'
  const destinationName = given.destinationName ?? 'db'
  return {
    id: '',
    description: '',
    sourceName,
    destinationName,
    action: 'allow',
    permissions: [],
    meta: {},
    precedence: precedenceOf(sourceName, destinationName),
    createdAt: 0,
    updatedAt: 0,
    createIndex: 1,
    modifyIndex: 1,
    ...given,
  }
}
