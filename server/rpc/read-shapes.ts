/**
 * The structure of every read request, checked when it comes from the wire. Pure tables.
 *
 * What passes can be given to the state store without a type error; whether it finds anything is the
 * store's matter. A read without a row here does not compile.
 */

import {
  boolean,
  count,
  either,
  listOf,
  mapOf,
  object,
  oneOf,
  type Shape,
  text,
} from '../../core/catalog/shape.ts'
import type { ReadName } from '../../core/rpc/reads.ts'

const nodeMeta = mapOf(text)
const instances = object(
  { service: text },
  {
    connect: boolean,
    tags: listOf(text),
    nodeMeta,
    passingOnly: boolean,
    mergeCentral: boolean,
    viaQuery: text,
  },
)

const READS: Readonly<Record<ReadName, Shape>> = {
  'catalog.nodes': object({}, { nodeMeta }),
  'catalog.services': object({}, { nodeMeta, alsoConfig: boolean }),
  'catalog.service': instances,
  'catalog.node': object({ node: text }, { mergeCentral: boolean }),
  'catalog.dump': object({}, { alsoConfig: boolean }),
  'catalog.address': object({ ip: text }),
  'catalog.virtual-ips': object({}),
  'health.node': object({ node: text }),
  'health.checks': object({ service: text }, { nodeMeta }),
  'health.state': object({ state: text }, { nodeMeta }),
  'health.service': instances,
  'kv.get': object({ key: text }),
  'kv.list': object({ prefix: text }),
  'kv.keys': object({ prefix: text, separator: text }),
  // Each operation is checked as part of a txn command would be (server-api-handlers.ts).
  'txn.read': object({ ops: listOf(object({})) }),
  'session.get': object({ id: text }),
  'session.list': object({}, { node: text }),
  'intention.list': object({}),
  'intention.get': either(
    object({ id: text }),
    object({ sourceName: text, destinationName: text }),
  ),
  'intention.match': object({ by: oneOf('source', 'destination'), name: text }),
  'config.get': object({ entryKind: text, name: text }),
  'config.list': object({ entryKind: text }),
  'chain.get': object({
    service: text,
    datacenter: text,
    overrides: object({ protocol: text, connectTimeoutNs: count, meshGatewayMode: text }),
  }),
  'ca.roots': object({}),
  'ca.config': object({}),
  'coordinate.nodes': object({}, { segment: text }),
  'coordinate.node': object({ node: text }, { segment: text }),
  'coordinate.some': object({ nodes: listOf(text) }),
  'query.list': object({}),
  'query.get': object({ id: text }),
  'query.resolve': object({ nameOrId: text }, { explain: boolean }),
  'autopilot.config': object({}),
  'acl.token.list': object({}, { policy: text, role: text, serviceName: text, authMethod: text }),
  'acl.token.get': object({ accessorId: text }),
  'acl.token.self': object({}),
  'acl.resolve': object({}),
  'acl.policy.list': object({}),
  'acl.policy.get': either(object({ id: text }), object({ name: text })),
  'acl.role.list': object({}, { policy: text }),
  'acl.role.get': either(object({ id: text }), object({ name: text })),
  'join-token.list': object({}),
  'acl.auth-method.list': object({}),
  'acl.auth-method.get': object({ name: text }),
  'acl.binding-rule.list': object({}, { authMethod: text }),
  'acl.binding-rule.get': object({ id: text }),
}

const shapes = new Map<string, Shape>(Object.entries(READS))

/** @returns undefined for a read this version does not know */
export function readShape(name: string): Shape | undefined {
  return shapes.get(name)
}

/** Fields of `ReadOptions` that cross the wire. */
export const readOptionsShape = object(
  {},
  {
    datacenter: text,
    consistency: oneOf('default', 'consistent', 'stale'),
    minIndex: count,
    waitMs: (value) =>
      typeof value === 'number' && Number.isFinite(value) ? undefined : ': expected a number',
    maxStaleMs: (value) =>
      typeof value === 'number' && Number.isFinite(value) ? undefined : ': expected a number',
  },
)
