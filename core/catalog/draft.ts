/**
 * The next version of the state while a command is executed, with notes of what the command touched.
 *
 * All or nothing: a draft becomes the state as a whole or is dropped, so a command that is refused half
 * way leaves no trace. Lives for one `apply`; mutable, owned by it.
 */

import type { ErrorCode } from '../errors.ts'
import type { State, TableIndexes, TableName } from './state.ts'
import type { WatchKey } from './store-api.ts'
import type {
  CaRoots,
  ConfigEntryRecord,
  HealthEntry,
  IntentionRecord,
  NodeRecord,
  VirtualIpRecord,
} from './types.ts'
import { tableWatch } from './watch-keys.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Why a command was refused; the text is what a Consul user sees. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

export function refuse(message: string, code: ErrorCode = 'REJECTED'): Refusal {
  return { code, message }
}

/** How a record went from one version to the next. */
export interface Change<T> {
  readonly before: T | undefined
  readonly after: T | undefined
}

/** What the change feed has to tell, gathered by the tables that changed. */
export interface Changes {
  readonly nodes: Change<NodeRecord>[]
  readonly instances: Change<HealthEntry>[]
  readonly intentions: Change<IntentionRecord>[]
  readonly configEntries: Change<ConfigEntryRecord>[]
  readonly virtualIps: Change<VirtualIpRecord>[]
  roots: CaRoots | undefined
}

export interface Draft {
  readonly index: number
  readonly datacenter: string
  readonly base: State
  readonly next: Mutable<State>
  readonly indexes: Mutable<TableIndexes>
  /** Lists, in which a key may come twice: to add to a set costs more than to wake nobody again. */
  readonly fired: WatchKey[]
  /** Order keys of the KV entries that changed. */
  readonly kvKeys: string[]
  /** Keys of nodes whose record may have changed. */
  readonly staleNodes: Set<string>
  /** Instances (`<node key>\0<service id>`) whose health entry must be made again. */
  readonly staleInstances: Set<string>
  /** Names whose virtual address may have lost its last reason. */
  readonly orphanNames: Set<string>
  readonly changes: Changes
}

export function startDraft(base: State, index: number, datacenter: string): Draft {
  const indexes = { ...base.indexes }
  return {
    index,
    datacenter,
    base,
    next: { ...base, indexes, lastIndex: index },
    indexes,
    fired: [],
    kvKeys: [],
    staleNodes: new Set(),
    staleInstances: new Set(),
    orphanNames: new Set(),
    changes: {
      nodes: [],
      instances: [],
      intentions: [],
      configEntries: [],
      virtualIps: [],
      roots: undefined,
    },
  }
}

/** Notes that a table changed by this command. */
export function touchTable(draft: Draft, table: TableName): void {
  draft.indexes[table] = draft.index
  draft.fired.push(tableWatch(table))
}
