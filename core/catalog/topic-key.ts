/**
 * When two keys of a topic are one: names of services, nodes and kinds compare without regard to case. Pure.
 */

import { assertNever } from '../assert.ts'
import type { TopicKey } from './feed.ts'
import { nameKey } from './state.ts'

/** Two keys of one topic that have the same one here hold the same items. */
export function canonicalKey({ topic, key }: TopicKey): string {
  switch (topic) {
    case 'health':
    case 'connect':
    case 'config':
    case 'node':
      return nameKey(key)
    case 'roots':
    case 'virtual-ips':
      return ''
    case 'intentions':
    case 'address':
      return key
    default:
      return assertNever(topic)
  }
}
