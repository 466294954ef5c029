/**
 * Config entries written down in a test, as the compiler of chains reads them.
 */

import type { JsonObject } from '../../../../core/catalog/types.ts'
import type { ChainEntryKind } from '../../../../core/chain/entries.ts'
import type { ChainGraph } from '../../../../core/chain/graph-check.ts'

/** By `<kind>/<name>`. */
export type Written = Readonly<Record<string, JsonObject>>

export function written(entries: Written): ChainGraph {
  return {
    entry: (kind, name) => entries[`${kind}/${name}`],
    names: (kind: ChainEntryKind) =>
      Object.keys(entries)
        .filter((key) => key.startsWith(`${kind}/`))
        .map((key) => key.slice(kind.length + 1)),
  }
}
