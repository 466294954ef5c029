/**
 * Builds a state from an image (image-format.ts), piece by piece as its bytes arrive.
 *
 * Guarantees: the state equals the one that was written, index by index, whatever the cut of the pieces; a
 * damaged, cut or foreign image gives a FairleadError and no state. Checks version, structure, order and
 * number of lines; checksums are the business of whoever stores the bytes. `push` costs about 25 ms a MiB
 * (measured), `end` next to nothing: who must not hold the event loop gives small pieces and pauses.
 * Bound: IMAGE_LINE_SIZE_MAX bytes a line.
 */

import type {
  AuthMethodRecord,
  BindingRuleRecord,
  PolicyRecord,
  RoleRecord,
  TokenRecord,
} from '../acl/records.ts'
import type { AutopilotConfig } from '../autopilot/types.ts'
import { FairleadError } from '../errors.ts'
import type { JoinTokenRecord } from '../join/join-token.ts'
import type { PreparedQueryRecord } from '../queries/types.ts'
import { putAuthMethod, putBindingRule } from './acl-method-table.ts'
import { putPolicy, putRole } from './acl-policy-table.ts'
import { putToken } from './acl-token-table.ts'
import { putCheck } from './check-table.ts'
import { putCoordinate } from './coordinate-table.ts'
import { type Draft, startDraft } from './draft.ts'
import {
  IMAGE_LINE_SIZE_MAX,
  IMAGE_MAGIC,
  LINE_SHAPES,
  type LineName,
  READABLE_HEADERS,
} from './image-format.ts'
import { settleInstances } from './instances.ts'
import { putIntention } from './intention-table.ts'
import { putJoinToken } from './join-token-table.ts'
import { decodeJsonText, decodeUtf8 } from './json-codec.ts'
import { indexKey } from './key-order.ts'
import { putEntry, putLockDelay, putTombstone } from './kv.ts'
import { putNode } from './nodes.ts'
import { putQuery } from './query-table.ts'
import { type Answer, type OriginRecord, RequestWindow } from './request-window.ts'
import { putService } from './services.ts'
import { putSession } from './sessions.ts'
import {
  configKey,
  EMPTY_INDEXES,
  emptyState,
  type LockDelay,
  nameKey,
  type State,
  type TableIndexes,
  type Tombstone,
} from './state.ts'
import type {
  CaConfig,
  CaProviderState,
  CaRevocation,
  CaRoot,
  CheckRecord,
  ConfigEntryRecord,
  CoordinateRecord,
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

type MetaLine = Pick<State, 'lastIndex' | 'clock' | 'caSerial' | 'offsetCounter'> & {
  readonly indexes: Partial<TableIndexes>
  readonly restoredAt?: number
  readonly aclBootstrapIndex?: number
}

/** Takes up again a restore that was under way. */
export type ResumeStaged<S extends StagedSink> = (id: string, touchedAt: number) => S

interface StagedSink {
  push(bytes: Uint8Array): void
}

export interface ReadContents<S> {
  readonly state: State
  readonly requests: RequestWindow
  readonly staged: S | null
}

interface Building<S extends StagedSink = StagedSink> {
  readonly draft: Draft
  /** Absent: a restore that was under way is left out. */
  readonly resume: ResumeStaged<S> | undefined
  staged: S | null
  readonly requests: RequestWindow
  /** The node whose services and checks are being read. */
  node: NodeLine | undefined
  /** The origin whose answers are being read. */
  origin: (OriginRecord & { readonly answers: Answer[] }) | undefined
  groupCount: number
  meta: MetaLine | undefined
}

export class ImageReader<S extends StagedSink = never> {
  readonly #building: Building<S>
  /** Pieces of a line whose end is not there yet. */
  #parts: Uint8Array[] = []
  #partsSize = 0
  /** Without the header. */
  #lineCount = -1
  #isEnded = false

  /** @param resume for images of this server's own; without it a restore that was under way is left out */
  constructor(resume?: ResumeStaged<S>) {
    this.#building = {
      draft: startDraft(emptyState(), 0, ''),
      resume,
      staged: null,
      requests: new RequestWindow(),
      node: undefined,
      origin: undefined,
      groupCount: 0,
      meta: undefined,
    }
  }

  /**
   * Takes the next bytes; keeps no more of them than the begun line, copied.
   *
   * @throws FairleadError STORAGE_CORRUPT, NOT_SUPPORTED (written by a newer version); this reader is of no
   *   use then
   */
  push(chunk: Uint8Array): void {
    let from = 0
    while (from < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, from)
      if (newline < 0) {
        this.#keep(chunk.slice(from))
        return
      }
      this.#keep(chunk.subarray(from, newline))
      const bytes = joined(this.#parts, this.#partsSize)
      this.#parts = []
      this.#partsSize = 0
      this.#takeLine(guarded(() => decodeUtf8(bytes)))
      from = newline + 1
    }
  }

  /** @throws FairleadError STORAGE_CORRUPT when the image is cut or contradicts itself */
  end(): ReadContents<S> {
    if (this.#partsSize > 0) throw corrupt('its last line is cut')
    if (!this.#isEnded) throw corrupt('its end is missing')
    return finish(this.#building)
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part)
    this.#partsSize += part.length
    if (this.#partsSize > IMAGE_LINE_SIZE_MAX) throw corrupt('a line is too long')
  }

  #takeLine(line: string): void {
    if (this.#isEnded) throw corrupt('there is more after its end')
    if (this.#lineCount < 0) checkHeader(line)
    else this.#isEnded = takeLine(this.#building, line, this.#lineCount)
    this.#lineCount += 1
  }
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
  if (READABLE_HEADERS.has(line)) return
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
  if (!PARTS_OF_A_NODE.has(name)) settleNode(building)
  if (name !== 'request') settleOrigin(building)
  if (name === 'end') {
    if ((content as { lines: number }).lines !== linesBefore) throw corrupt('lines are missing')
    return true
  }
  LOADERS[name](building, content)
  return false
}

const PARTS_OF_A_NODE: ReadonlySet<LineName> = new Set(['service', 'check'])

type Loader = (building: Building, content: unknown) => void

const LOADERS: Readonly<Record<Exclude<LineName, 'end'>, Loader>> = {
  meta: (building, content) => {
    building.meta = content as MetaLine
  },
  node: (building, content) => {
    const line = content as NodeLine
    building.node = line
    putNode(building.draft, nameKey(line.record.node), undefined, line.record)
  },
  service: ({ draft, node: line }, content) => {
    const nodeKey = nameKey(line?.record.node ?? '')
    const node = draft.next.nodes.get(nodeKey)
    if (node === undefined) throw corrupt('a service stands before every node')
    putService(draft, nodeKey, node, undefined, content as ServiceRecord)
  },
  check: ({ draft, node: line }, content) => {
    putCheck(draft, nameKey(line?.record.node ?? ''), content as CheckRecord)
  },
  group: (building, content) => {
    const { draft } = building
    const { table, key, name, index } = content as GroupLine
    if (table !== 'services' && table !== 'destinations') throw corrupt('a group has no table')
    const group = draft.next[table].get(key)
    if (group === undefined) throw corrupt(`group "${key}" has no instances`)
    draft.next[table] = draft.next[table].set(key, { ...group, name, index })
    building.groupCount += 1
  },
  session: ({ draft }, content) => putSession(draft, content as SessionRecord),
  kv: ({ draft }, content) => {
    putEntry(draft, undefined, content as KvEntry)
    forgetNotes(draft)
  },
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
  'ca-revocation': ({ draft }, content) => {
    draft.next.caRevocations = [...draft.next.caRevocations, content as CaRevocation]
  },
  'ca-provider': ({ draft }, content) => {
    draft.next.caProvider = content as CaProviderState | null
  },
  'ca-config': ({ draft }, content) => {
    draft.next.caConfig = content as CaConfig | null
  },
  autopilot: ({ draft }, content) => {
    draft.next.autopilot = content as AutopilotConfig
  },
  coordinate: ({ draft }, content) => putCoordinate(draft, content as CoordinateRecord),
  query: ({ draft }, content) => putQuery(draft, content as PreparedQueryRecord),
  'acl-token': ({ draft }, content) => putToken(draft, content as TokenRecord),
  'acl-policy': ({ draft }, content) => putPolicy(draft, content as PolicyRecord),
  'acl-role': ({ draft }, content) => putRole(draft, content as RoleRecord),
  'acl-auth-method': ({ draft }, content) => putAuthMethod(draft, content as AuthMethodRecord),
  'acl-binding-rule': ({ draft }, content) => putBindingRule(draft, content as BindingRuleRecord),
  'join-token': ({ draft }, content) => putJoinToken(draft, content as JoinTokenRecord),
  'virtual-ip': ({ draft }, content) => {
    const record = content as VirtualIpRecord
    draft.next.virtualIps = draft.next.virtualIps.set(nameKey(record.service), record)
  },
  'free-offset': ({ draft }, content) => {
    const offset = content as number
    draft.next.freeOffsets = draft.next.freeOffsets.set(indexKey(offset), offset)
  },
  'request-origin': (building, content) => {
    const record = content as Omit<OriginRecord, 'answers'>
    if (!isAscending(record.runs)) throw corrupt('the numbers of requests are out of order')
    building.origin = { ...record, answers: [] }
  },
  request: ({ origin }, content) => {
    if (origin === undefined) throw corrupt('a request stands before its origin')
    origin.answers.push(content as Answer)
  },
  restore: (building, content) => {
    const { id, touchedAt } = content as { id: string; touchedAt: number }
    building.staged = building.resume?.(id, touchedAt) ?? null
  },
  'restore-piece': ({ staged }, content) => guarded(() => staged?.push(content as Uint8Array)),
}

/** Makes the instances of the node that is complete, and sets back its indexes, which building moved. */
function settleNode(building: Building): void {
  const { draft, node: line } = building
  if (line === undefined) return
  building.node = undefined
  settleInstances(draft)
  draft.staleNodes.clear()
  draft.staleInstances.clear()
  draft.changes.instances.length = 0
  forgetNotes(draft)
  const key = nameKey(line.record.node)
  const node = draft.next.nodes.get(key)
  if (node === undefined) return
  const { servicesIndex, checksIndex } = line
  draft.next.nodes = draft.next.nodes.set(key, { ...node, servicesIndex, checksIndex })
}

function settleOrigin(building: Building): void {
  const { origin, requests } = building
  if (origin === undefined) return
  building.origin = undefined
  requests.load(origin)
}

/** Nobody waits for what is being built. */
function forgetNotes(draft: Draft): void {
  draft.fired.length = 0
  draft.kvKeys.length = 0
}

function finish<S extends StagedSink>(building: Building<S>): ReadContents<S> {
  const { draft, requests, staged, groupCount, meta } = building
  if (meta === undefined) throw corrupt('it has no meta line')
  if (draft.next.services.size + draft.next.destinations.size !== groupCount) {
    throw corrupt('groups are missing')
  }
  // What earlier versions did not know of has not changed since a restore that touched all tables.
  const touched = meta.restoredAt ?? 0
  const newer = {
    coordinates: touched,
    queries: touched,
    aclTokens: touched,
    aclPolicies: touched,
    aclRoles: touched,
    aclAuthMethods: touched,
    aclBindingRules: touched,
    joinTokens: touched,
  }
  const indexes = { ...EMPTY_INDEXES, ...newer, ...meta.indexes }
  // Field by field: one that is not a counter must not take the place of a table.
  const { lastIndex, clock, caSerial, offsetCounter, restoredAt = 0, aclBootstrapIndex = 0 } = meta
  const counters = { lastIndex, clock, caSerial, offsetCounter, restoredAt, aclBootstrapIndex }
  return { state: { ...draft.next, ...counters, indexes }, requests, staged }
}

function isAscending(runs: readonly number[]): boolean {
  if (runs.length % 2 !== 0) return false
  for (let i = 1; i < runs.length; i++) {
    const gap = (runs[i] as number) - (runs[i - 1] as number)
    if (gap < 0 || (i % 2 === 0 && gap < 2)) return false
  }
  return true
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
