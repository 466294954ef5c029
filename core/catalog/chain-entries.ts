/**
 * The config entries of a version of the state, as the compiler of chains reads them.
 */

import type { ChainGraph } from '../chain/graph-check.ts'
import type { PersistentMap } from './persistent-map.ts'
import { configKey, nameKey, pairKey } from './state.ts'
import type { ConfigEntryRecord } from './types.ts'

export function chainGraphOf(entries: PersistentMap<ConfigEntryRecord>): ChainGraph {
  return {
    entry: (kind, name) => entries.get(configKey(kind, name))?.body,
    names: (kind) => entries.valuesUnder(pairKey(nameKey(kind), '')).map((entry) => entry.name),
  }
}
