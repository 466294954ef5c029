/**
 * The image of a state: what the writer and the reader agree on.
 *
 * Lines of UTF-8: a header with the version, then one JSON array a line whose first element says what it
 * is, `end` with the number of lines last. Keys of objects are sorted and tables come in key order, so
 * equal states have equal bytes. Secondary indexes are left out and built again by the reader.
 * Version 2 added autopilot's settings, the requests that were applied and a restore under way, version 3 network
 * coordinates, version 4 prepared queries, version 5 access control, version 6 join tokens; the versions before are read still.
 */

import {
  authMethodShape,
  bindingRuleShape,
  policyShape,
  roleShape,
  tokenShape,
} from './acl-shapes.ts'
import {
  autopilotShape,
  caRevocationShape,
  caRootShape,
  checkShape,
  coordinateRecordShape,
  intentionShape,
  kvEntryShape,
  nodeShape,
  queryShape,
  serviceShape,
  sessionShape,
} from './command-shape.ts'
import {
  boolean,
  both,
  bytes,
  count,
  either,
  jsonObject,
  listOf,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
} from './shape.ts'

export const IMAGE_MAGIC = 'fairlead-state'
export const IMAGE_VERSION = 6
export const IMAGE_CHUNK_SIZE = 128 * 1024
/** Longer than any record: a KV value is bounded far below. */
export const IMAGE_LINE_SIZE_MAX = 64 * 1024 * 1024

export const IMAGE_HEADER = `${IMAGE_MAGIC} ${IMAGE_VERSION}`
export const READABLE_HEADERS: ReadonlySet<string> = new Set([
  `${IMAGE_MAGIC} 1`,
  `${IMAGE_MAGIC} 2`,
  `${IMAGE_MAGIC} 3`,
  `${IMAGE_MAGIC} 4`,
  `${IMAGE_MAGIC} 5`,
  IMAGE_HEADER,
])

const indexed = object({ createIndex: count, modifyIndex: count })
const onNode = both(indexed, object({ node: text }))

const tables = {
  nodes: count,
  services: count,
  checks: count,
  kv: count,
  sessions: count,
  intentions: count,
  config: count,
  caRoots: count,
  caConfig: count,
  virtualIps: count,
  serviceExtinction: count,
  destinationExtinction: count,
}

const indexes = object(tables, {
  autopilot: count,
  coordinates: count,
  queries: count,
  aclTokens: count,
  aclPolicies: count,
  aclRoles: count,
  aclAuthMethods: count,
  aclBindingRules: count,
  joinTokens: count,
})

const outcome = either(
  object({
    ok: boolean,
    value: (value) =>
      typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number'
        ? undefined
        : listOf(object({ type: text }))(value),
  }),
  either(
    object({ ok: boolean, code: text, message: text }),
    object({ ok: boolean, code: text, errors: listOf(object({ opIndex: count, what: text })) }),
  ),
)

/** The fields of each kind of line after its name. */
export const LINE_SHAPES = {
  meta: object(
    { lastIndex: count, clock: count, caSerial: count, offsetCounter: count, indexes },
    { restoredAt: count, aclBootstrapIndex: count },
  ),
  node: object({ record: both(nodeShape, indexed), servicesIndex: count, checksIndex: count }),
  service: both(serviceShape, onNode),
  check: both(checkShape, onNode),
  group: object({ table: text, key: text, name: text, index: count }),
  session: both(sessionShape, indexed),
  kv: both(both(kvEntryShape, indexed), object({ lockIndex: count })),
  tombstone: object({ key: text, index: count }),
  'lock-delay': object({ key: text, until: count }),
  intention: both(
    both(intentionShape, indexed),
    object({ precedence: count, createdAt: count, updatedAt: count }),
  ),
  config: both(object({ kind: text, name: text, body: jsonObject }), indexed),
  'ca-root': both(caRootShape, indexed),
  'ca-revocation': both(caRevocationShape, indexed),
  'ca-provider': nullable(object({ rootId: text, privateKeyPem: text })),
  'ca-config': nullable(
    both(object({ clusterId: text, provider: text, config: jsonObject }), indexed),
  ),
  autopilot: both(autopilotShape, indexed),
  coordinate: coordinateRecordShape,
  query: both(queryShape, indexed),
  'acl-token': tokenShape,
  'acl-policy': both(policyShape, indexed),
  'acl-role': both(roleShape, indexed),
  'acl-auth-method': both(authMethodShape, indexed),
  'acl-binding-rule': both(bindingRuleShape, indexed),
  'join-token': both(
    object({
      id: text,
      secretHash: text,
      role: oneOf('client', 'server'),
      node: text,
      description: text,
      usesLeft: count,
      createdAt: count,
      expiresAt: count,
    }),
    indexed,
  ),
  'virtual-ip': both(
    object({ service: text, offset: count, virtualIp: text }, { manualIps: listOf(text) }),
    indexed,
  ),
  'free-offset': count,
  'request-origin': object({
    origin: text,
    boot: text,
    lastIndex: count,
    seenAt: count,
    runs: listOf(count),
  }),
  /** An answer of the origin above. */
  request: object({
    seq: count,
    index: count,
    at: count,
    sizeBytes: count,
    result: nullable(outcome),
  }),
  /** A restore that is under way; its bytes so far follow. */
  restore: object({ id: text, touchedAt: count }),
  'restore-piece': bytes,
  end: object({ lines: count }),
} as const satisfies Readonly<Record<string, Shape>>

export type LineName = keyof typeof LINE_SHAPES
