/**
 * Writes the image of one state, lazily (image-format.ts).
 *
 * Guarantees: the same state gives the same bytes on every server; the state may be superseded meanwhile,
 * for it never changes itself. Holds about one chunk at a time.
 */

import { CanonicalJson } from './canonical-json.ts'
import { IMAGE_CHUNK_SIZE, IMAGE_HEADER, type LineName } from './image-format.ts'
import type { PersistentMap } from './persistent-map.ts'
import type { RequestWindow } from './request-window.ts'
import type { InstanceGroup, State } from './state.ts'

/** A record of the image: what it is, and what it holds. */
type Line = readonly [LineName, unknown]

const ENCODER = new TextEncoder()

/** All that an image holds. */
export interface ImageContents {
  readonly state: State
  /** Frozen: writing takes its time. */
  readonly requests: RequestWindow
  readonly staged: StagedImage | null
}

/** A restore that is under way (staged-restore.ts). */
export interface StagedImage {
  readonly id: string
  readonly touchedAt: number
  readonly pieces: readonly Uint8Array[]
}

/** Chunks of about IMAGE_CHUNK_SIZE bytes; one with a long record is longer. */
export function* writeImage(contents: ImageContents): Generator<Uint8Array, void, undefined> {
  const json = new CanonicalJson()
  let pending = `${IMAGE_HEADER}\n`
  let lines = 0
  for (const line of linesOf(contents)) {
    pending += `${json.text(line)}\n`
    lines += 1
    if (pending.length < IMAGE_CHUNK_SIZE) continue
    yield ENCODER.encode(pending)
    pending = ''
  }
  yield ENCODER.encode(`${pending}${json.text(['end', { lines }])}\n`)
}

function* linesOf({ state, requests, staged }: ImageContents): Generator<Line, void, undefined> {
  const { lastIndex, clock, caSerial, offsetCounter, indexes, restoredAt, aclBootstrapIndex } =
    state
  const counters = { caSerial, offsetCounter, aclBootstrapIndex }
  yield ['meta', { lastIndex, clock, ...counters, indexes, restoredAt }]
  yield* catalogLines(state)
  yield* groupLines('services', state.services)
  yield* groupLines('destinations', state.destinations)
  yield* tableLines('session', state.sessions)
  yield* tableLines('kv', state.kv)
  yield* tableLines('tombstone', state.tombstones)
  yield* tableLines('lock-delay', state.lockDelays)
  yield* tableLines('intention', state.intentions)
  yield* tableLines('config', state.configEntries)
  for (const root of state.caRoots) yield ['ca-root', root]
  for (const revocation of state.caRevocations) yield ['ca-revocation', revocation]
  yield ['ca-provider', state.caProvider]
  yield ['ca-config', state.caConfig]
  if (state.autopilot !== null) yield ['autopilot', state.autopilot]
  yield* tableLines('coordinate', state.coordinates)
  yield* tableLines('query', state.queries)
  yield* tableLines('acl-token', state.aclTokens)
  yield* tableLines('acl-policy', state.aclPolicies)
  yield* tableLines('acl-role', state.aclRoles)
  yield* tableLines('acl-auth-method', state.aclAuthMethods)
  yield* tableLines('acl-binding-rule', state.aclBindingRules)
  yield* tableLines('join-token', state.joinTokens)
  yield* tableLines('virtual-ip', state.virtualIps)
  yield* tableLines('free-offset', state.freeOffsets)
  yield* requestLines(requests)
  if (staged === null) return
  yield ['restore', { id: staged.id, touchedAt: staged.touchedAt }]
  for (const piece of staged.pieces) yield ['restore-piece', piece]
}

function* catalogLines(state: State): Generator<Line, void, undefined> {
  const cursor = state.nodes.cursor()
  while (cursor.next()) {
    const { record, servicesIndex, checksIndex, services, checks } = cursor.value
    yield ['node', { record, servicesIndex, checksIndex }]
    yield* tableLines('service', services)
    yield* tableLines('check', checks)
  }
}

function* groupLines(
  table: 'services' | 'destinations',
  groups: PersistentMap<InstanceGroup>,
): Generator<Line, void, undefined> {
  const cursor = groups.cursor()
  while (cursor.next()) {
    const { name, index } = cursor.value
    yield ['group', { table, key: cursor.key, name, index }]
  }
}

function* requestLines(requests: RequestWindow): Generator<Line, void, undefined> {
  for (const { answers, ...origin } of requests.records()) {
    yield ['request-origin', origin]
    for (const answer of answers) yield ['request', answer]
  }
}

function* tableLines<V>(name: LineName, table: PersistentMap<V>): Generator<Line, void, undefined> {
  const cursor = table.cursor()
  while (cursor.next()) yield [name, cursor.value]
}
