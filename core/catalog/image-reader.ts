/**
 * Builds a state from an image (image-format.ts).
 *
 * Guarantees: the state equals the one that was written, index by index; a damaged, cut or foreign image
 * gives a FairleadError and no state. Checks version, structure, order and number of lines; checksums
 * are the business of whoever stores the bytes. Bound: IMAGE_LINE_SIZE_MAX bytes a line.
 */

import { FairleadError } from '../errors.ts'
import { putCheck } from './check-table.ts'
import { configKey } from './config-entries.ts'
import { type Draft, startDraft } from './draft.ts'
import {
  IMAGE_HEADER,
  IMAGE_LINE_SIZE_MAX,
  IMAGE_MAGIC,
  LINE_SHAPES,
  type LineName,
} from './image-format.ts'
import { settleInstances } from './instances.ts'
import { putIntention } from './intention-table.ts'
import { decodeJsonText, decodeUtf8 } from './json-codec.ts'
import { indexKey } from './key-order.ts'
import { putEntry, putLockDelay, putTombstone } from './kv.ts'
import { putNode } from './nodes.ts'
import { putService } from './services.ts'
import { putSession } from './sessions.ts'
import { emptyState, type LockDelay, nameKey, type State, type Tombstone } from './state.ts'
import type {
  CaConfig,
  CaProviderState,
  CaRoot,
  CheckRecord,
  ConfigEntryRecord,
  IntentionRecord,
  KvEntry,
  NodeRecord,
  ServiceRecord,
  SessionRecord,
  VirtualIpRecord,
} from './types.ts'

const NEWLINE = 10

interface NodeLine {
  readonly record: NodeRecord
  readonly servicesIndex: number
  readonly checksIndex: number
}

interface GroupLine {
  readonly table: string
  readonly key: string
  readonly name: string
  readonly index: number
}

type MetaLine = Pick<State, 'lastIndex' | 'clock' | 'caSerial' | 'offsetCounter' | 'indexes'>

/** What is known only when all lines are read. */
interface Building {
  readonly draft: Draft
  readonly nodes: NodeLine[]
  readonly groups: GroupLine[]
  meta: MetaLine | undefined
}

/** @throws FairleadError STORAGE_CORRUPT, NOT_SUPPORTED (written by a newer version) */
export function readImage(chunks: Iterable<Uint8Array>): State {
  const building: Building = {
    draft: startDraft(emptyState(), 0, ''),
    nodes: [],
    groups: [],
    meta: undefined,
  }
  let lineCount = -1
  let isEnded = false
  for (const line of linesIn(chunks)) {
    if (isEnded) throw corrupt('there is more after its end')
    if (lineCount < 0) checkHeader(line)
    else isEnded = takeLine(building, line, lineCount)
    lineCount += 1
  }
  if (!isEnded) throw corrupt('its end is missing')
  return finish(building)
}

function* linesIn(chunks: Iterable<Uint8Array>): Generator<string, void, undefined> {
  let parts: Uint8Array[] = []
  let size = 0
  for (const chunk of chunks) {
    let from = 0
    while (from < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, from)
      const to = newline < 0 ? chunk.length : newline
      parts.push(chunk.subarray(from, to))
      size += to - from
      if (size > IMAGE_LINE_SIZE_MAX) throw corrupt('a line is too long')
      from = to + 1
      if (newline < 0) break
      yield guarded(() => decodeUtf8(joined(parts, size)))
      parts = []
      size = 0
    }
  }
  if (size > 0) throw corrupt('its last line is cut')
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const only = parts[0]
  if (parts.length === 1 && only !== undefined) return only
  const out = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function checkHeader(line: string): void {
  if (line === IMAGE_HEADER) return
  if (line.startsWith(`${IMAGE_MAGIC} `)) {
    throw new FairleadError(
      'NOT_SUPPORTED',
      `Unknown version of a state image: "${line.slice(0, 64)}"`,
    )
  }
  throw corrupt('it does not begin as one')
}

/** @returns whether this was the last line */
function takeLine(building: Building, line: string, linesBefore: number): boolean {
  const parsed = guarded(() => decodeJsonText(line))
  if (!Array.isArray(parsed) || parsed.length !== 2 || typeof parsed[0] !== 'string') {
    throw corrupt(`line ${linesBefore} is not a record`)
  }
  const [name, content] = parsed as [string, unknown]
  if (!isLineName(name)) throw corrupt(`line ${linesBefore} is of an unknown kind`)
  const problem = LINE_SHAPES[name](content)
  if (problem !== undefined) throw corrupt(`line ${linesBefore}: ${name}${problem}`)
  if (name === 'end') {
    if ((content as { lines: number }).lines !== linesBefore) throw corrupt('lines are missing')
    return true
  }
  LOADERS[name](building, content)
  return false
}

type Loader = (building: Building, content: unknown) => void

const LOADERS: Readonly<Record<Exclude<LineName, 'end'>, Loader>> = {
  meta: (building, content) => {
    building.meta = content as MetaLine
  },
  node: (building, content) => {
    const line = content as NodeLine
    building.nodes.push(line)
    putNode(building.draft, nameKey(line.record.node), undefined, line.record)
  },
  service: ({ draft, nodes }, content) => {
    const nodeKey = nameKey(nodes.at(-1)?.record.node ?? '')
    const node = draft.next.nodes.get(nodeKey)
    if (node === undefined) throw corrupt('a service stands before every node')
    putService(draft, nodeKey, node, undefined, content as ServiceRecord)
  },
  check: ({ draft, nodes }, content) => {
    putCheck(draft, nameKey(nodes.at(-1)?.record.node ?? ''), content as CheckRecord)
  },
  group: ({ groups }, content) => {
    groups.push(content as GroupLine)
  },
  session: ({ draft }, content) => putSession(draft, content as SessionRecord),
  kv: ({ draft }, content) => putEntry(draft, undefined, content as KvEntry),
  tombstone: ({ draft }, content) => putTombstone(draft, content as Tombstone),
  'lock-delay': ({ draft }, content) => putLockDelay(draft, content as LockDelay),
  intention: ({ draft }, content) => putIntention(draft, content as IntentionRecord),
  config: ({ draft }, content) => {
    const record = content as ConfigEntryRecord
    const key = configKey(record.kind, record.name)
    draft.next.configEntries = draft.next.configEntries.set(key, record)
  },
  'ca-root': ({ draft }, content) => {
    draft.next.caRoots = [...draft.next.caRoots, content as CaRoot]
  },
  'ca-provider': ({ draft }, content) => {
    draft.next.caProvider = content as CaProviderState | null
  },
  'ca-config': ({ draft }, content) => {
    draft.next.caConfig = content as CaConfig | null
  },
  'virtual-ip': ({ draft }, content) => {
    const record = content as VirtualIpRecord
    draft.next.virtualIps = draft.next.virtualIps.set(nameKey(record.service), record)
  },
  'free-offset': ({ draft }, content) => {
    const offset = content as number
    draft.next.freeOffsets = draft.next.freeOffsets.set(indexKey(offset), offset)
  },
}

/** Sets back the indexes, which the building of the tables could not know. */
function finish({ draft, nodes, groups, meta }: Building): State {
  if (meta === undefined) throw corrupt('it has no meta line')
  settleInstances(draft)
  for (const { record, servicesIndex, checksIndex } of nodes) {
    const key = nameKey(record.node)
    const node = draft.next.nodes.get(key)
    if (node === undefined) continue
    draft.next.nodes = draft.next.nodes.set(key, { ...node, servicesIndex, checksIndex })
  }
  for (const { table, key, name, index } of groups) {
    if (table !== 'services' && table !== 'destinations') throw corrupt('a group has no table')
    const group = draft.next[table].get(key)
    if (group === undefined) throw corrupt(`group "${key}" has no instances`)
    draft.next[table] = draft.next[table].set(key, { ...group, name, index })
  }
  if (draft.next.services.size + draft.next.destinations.size !== groups.length) {
    throw corrupt('groups are missing')
  }
  return { ...draft.next, ...meta }
}

function isLineName(name: string): name is LineName {
  return Object.hasOwn(LINE_SHAPES, name)
}

function guarded<T>(decode: () => T): T {
  try {
    return decode()
  } catch (thrown) {
    throw corrupt('a line cannot be decoded', thrown)
  }
}

function corrupt(reason: string, cause?: unknown): FairleadError {
  return new FairleadError('STORAGE_CORRUPT', `The state image is damaged: ${reason}`, { cause })
}
