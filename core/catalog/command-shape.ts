/**
 * The structure of every command, checked when one is decoded. Pure tables.
 *
 * An agent's bytes become a log entry that every server applies: what passes here can be applied without
 * a type error. Rules that depend on the state are those of apply; rules on content (names, limits) are
 * those of registration-rules.ts and core/intentions/validate.ts.
 */

import {
  authMethodShape,
  bindingRuleShape,
  policyShape,
  roleShape,
  tokenWriteShape,
} from './acl-shapes.ts'
import type { Command } from './commands.ts'
import {
  boolean,
  bytes,
  count,
  either,
  integer,
  jsonObject,
  listOf,
  mapOf,
  nullable,
  number,
  object,
  oneOf,
  type Shape,
  text,
  unsigned64,
  variant,
} from './shape.ts'

const stringMap = mapOf(text)
const locality = object({ region: text, zone: text })
const status = oneOf('passing', 'warning', 'critical')
const action = oneOf('allow', 'deny')
const mode = oneOf('create', 'update')
const objectVerb = oneOf('get', 'set', 'cas', 'delete', 'delete-cas')

const upstream = object({
  destinationType: oneOf('', 'service', 'prepared_query'),
  destinationName: text,
  datacenter: text,
  localBindAddress: text,
  localBindPort: integer,
  localBindSocketPath: text,
  localBindSocketMode: text,
  config: nullable(jsonObject),
  meshGatewayMode: text,
})

const exposePath = object({
  path: text,
  localPathPort: integer,
  listenerPort: integer,
  protocol: text,
})

const proxy = object(
  {
    destinationServiceName: text,
    destinationServiceId: text,
    localServiceAddress: text,
    localServicePort: integer,
    localServiceSocketPath: text,
    mode: oneOf('', 'direct', 'transparent'),
    config: nullable(jsonObject),
    upstreams: listOf(upstream),
    meshGatewayMode: text,
    exposeChecks: boolean,
    exposePaths: listOf(exposePath),
  },
  { transparentProxy: object({ outboundListenerPort: integer, dialedDirectly: boolean }) },
)

export const serviceShape = object(
  {
    kind: oneOf(
      '',
      'connect-proxy',
      'mesh-gateway',
      'terminating-gateway',
      'ingress-gateway',
      'api-gateway',
    ),
    id: text,
    service: text,
    tags: listOf(text),
    address: text,
    port: integer,
    socketPath: text,
    taggedAddresses: mapOf(object({ address: text, port: integer })),
    meta: nullable(stringMap),
    weights: object({ passing: integer, warning: integer }),
    enableTagOverride: boolean,
    connectNative: boolean,
  },
  { proxy, locality },
)

export const checkShape = object({
  checkId: text,
  name: text,
  status,
  notes: text,
  output: text,
  serviceId: text,
  serviceName: text,
  serviceTags: listOf(text),
  type: text,
  interval: text,
  timeout: text,
  exposedPort: integer,
  definition: jsonObject,
})

const registerRequest = object(
  {
    id: text,
    node: text,
    address: text,
    taggedAddresses: nullable(stringMap),
    meta: nullable(stringMap),
    skipNodeUpdate: boolean,
    checks: listOf(checkShape),
  },
  { locality, service: serviceShape },
)

export const kvEntryShape = object({ key: text, value: bytes, flags: unsigned64, session: text })

const kvWrites = {
  set: object({ entry: kvEntryShape }),
  cas: object({ entry: kvEntryShape, index: count }),
  lock: object({ entry: kvEntryShape }),
  unlock: object({ entry: kvEntryShape }),
  delete: object({ key: text }),
  'delete-tree': object({ key: text }),
  'delete-cas': object({ key: text, index: count }),
}

const kvReads = {
  get: object({ key: text }),
  'get-or-empty': object({ key: text }),
  'get-tree': object({ key: text }),
  'check-index': object({ key: text, index: count }),
  'check-session': object({ key: text, session: text }),
  'check-not-exists': object({ key: text }),
}

export const nodeShape = object(
  {
    id: text,
    node: text,
    address: text,
    datacenter: text,
    taggedAddresses: nullable(stringMap),
    meta: nullable(stringMap),
  },
  { locality },
)

const txnOp = variant('type', {
  kv: object({ op: variant('verb', { ...kvWrites, ...kvReads }) }),
  node: object({ verb: objectVerb, node: nodeShape, index: count }),
  service: object({ verb: objectVerb, node: text, service: serviceShape, index: count }),
  check: object({ verb: objectVerb, node: text, check: checkShape, index: count }),
})

export const sessionShape = object({
  id: text,
  name: text,
  node: text,
  lockDelayMs: count,
  behavior: text,
  ttlMs: count,
  ttl: text,
  nodeChecks: listOf(text),
  serviceChecks: nullable(listOf(object({ id: text, namespace: text }))),
})

const headerMatch = object(
  { name: text },
  {
    present: boolean,
    exact: text,
    prefix: text,
    suffix: text,
    contains: text,
    regex: text,
    invert: boolean,
    ignoreCase: boolean,
  },
)

const jwt = object({
  providers: listOf(
    object({ name: text }, { verifyClaims: listOf(object({ path: listOf(text), value: text })) }),
  ),
})

const permission = object(
  {
    action,
    http: object(
      {},
      {
        pathExact: text,
        pathPrefix: text,
        pathRegex: text,
        header: listOf(headerMatch),
        methods: listOf(text),
      },
    ),
  },
  { jwt },
)

export const intentionShape = object(
  {
    id: text,
    description: text,
    sourceName: text,
    destinationName: text,
    action: oneOf('', 'allow', 'deny'),
    permissions: listOf(permission),
    meta: stringMap,
  },
  { jwt },
)

export const caRootShape = object(
  {
    id: text,
    name: text,
    serialNumber: integer,
    signingKeyId: text,
    externalTrustDomain: text,
    notBefore: integer,
    notAfter: integer,
    rootCertPem: text,
    intermediateCertsPem: listOf(text),
    active: boolean,
    privateKeyType: oneOf('ec', 'rsa'),
    privateKeyBits: integer,
  },
  { rotatedOutAt: integer },
)

export const caRevocationShape = object({
  id: text,
  kind: oneOf('serial', 'identity'),
  value: text,
  reason: text,
  revokedAt: count,
  endsAt: count,
})

const caConfig = object({ clusterId: text, provider: text, config: jsonObject })

export const autopilotShape = object({
  cleanupDeadServers: boolean,
  lastContactThresholdMs: count,
  maxTrailingLogs: count,
  minQuorum: count,
  serverStabilizationTimeMs: count,
  redundancyZoneTag: text,
  disableUpgradeMigration: boolean,
  upgradeVersionTag: text,
})

export const coordinateShape = object({
  vec: listOf(number),
  error: number,
  adjustment: number,
  height: number,
})

export const coordinateRecordShape = object({
  node: text,
  segment: text,
  coordinate: coordinateShape,
})

export const queryShape = object({
  id: text,
  name: text,
  session: text,
  token: text,
  template: object({ type: text, regexp: text, removeEmptyTags: boolean }),
  service: object({
    service: text,
    failover: object({
      nearestN: integer,
      datacenters: nullable(listOf(text)),
      targets: nullable(listOf(object({ peer: text, datacenter: text }))),
    }),
    onlyPassing: boolean,
    ignoreCheckIds: nullable(listOf(text)),
    near: text,
    tags: nullable(listOf(text)),
    nodeMeta: nullable(stringMap),
    serviceMeta: nullable(stringMap),
    connect: boolean,
  }),
  dnsTtl: text,
})

const COMMANDS: Readonly<Record<Command['kind'], Shape>> = {
  register: object({ request: registerRequest }, { now: count }),
  deregister: object(
    { request: object({ node: text }, { serviceId: text, checkId: text }) },
    { now: count },
  ),
  kv: object({ op: variant('verb', kvWrites), now: count }),
  txn: object({ ops: listOf(txnOp), now: count }),
  'session.create': object({ session: sessionShape }),
  'session.destroy': object({ id: text, now: count }),
  'tombstone.reap': object({ index: count }),
  'intention.set': object({ intention: intentionShape, now: count }),
  'intention.replace': object(
    { destinationName: text, intentions: listOf(intentionShape), now: count },
    { cas: count },
  ),
  'intention.delete': object({
    by: either(object({ id: text }), object({ sourceName: text, destinationName: text })),
  }),
  'config.set': object({ entryKind: text, name: text, body: jsonObject }, { cas: count }),
  'config.delete': object({ entryKind: text, name: text }, { cas: count }),
  'ca.config.set': object({ config: caConfig }, { cas: count, forceWithoutCrossSigning: boolean }),
  'ca.roots.set': object(
    {
      roots: listOf(caRootShape),
      provider: object({ rootId: text, privateKeyPem: text }),
      cas: count,
    },
    { config: object({ record: caConfig, cas: count }) },
  ),
  'ca.revoke': object({
    revocation: object({ kind: oneOf('serial', 'identity'), value: text, reason: text }),
    now: count,
  }),
  'ca.reinstate': object({ id: text }),
  'ca.serial.take': object({ count }),
  'virtual-ip.set': object({ service: text, ips: listOf(text) }),
  'autopilot.config.set': object({ config: autopilotShape }, { cas: count }),
  'coordinate.batch': object({ updates: listOf(coordinateRecordShape) }),
  'query.set': object({ query: queryShape, mode }),
  'query.delete': object({ id: text }),
  'acl.bootstrap': object({ token: tokenWriteShape, now: count }, { resetIndex: count }),
  'acl.token.set': object({ token: tokenWriteShape, mode, now: count }),
  'acl.token.delete': object({ accessorId: text }),
  'acl.token.reap': object({ accessorIds: listOf(text), now: count }),
  'acl.policy.set': object({ policy: policyShape, mode }),
  'acl.policy.delete': object({ id: text }),
  'acl.role.set': object({ role: roleShape, mode }),
  'acl.role.delete': object({ id: text }),
  'acl.auth-method.set': object({ method: authMethodShape, mode }),
  'acl.auth-method.delete': object({ name: text }),
  'acl.binding-rule.set': object({ rule: bindingRuleShape, mode }),
  'acl.binding-rule.delete': object({ id: text }),
  'join-token.set': object({
    token: object({
      id: text,
      secretHash: text,
      role: oneOf('client', 'server'),
      node: text,
      description: text,
      uses: count,
      ttlMs: count,
    }),
    now: count,
  }),
  'join-token.delete': object({ id: text }),
  'join-token.use': object({ secretHash: text, node: text, now: count }),
  'restore.begin': object({ id: text, now: count }),
  'restore.piece': object({ id: text, offset: count, bytes, now: count }),
  'restore.end': object({ id: text, sizeBytes: count, digest: text, now: count }),
  'restore.abort': object({ id: text }),
  noop: object({}),
}

const shapes = new Map<string, Shape>(Object.entries(COMMANDS))

/** @returns undefined for a kind this version does not know */
export function commandShape(kind: string): Shape | undefined {
  return shapes.get(kind)
}
