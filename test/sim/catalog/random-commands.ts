/**
 * Random commands over few names, so that they meet: fast-check arbitraries shared by the catalog tests.
 */

import fc from 'fast-check'
import type { Command, KvOp, TxnOp } from '../../../core/catalog/commands.ts'
import { wallTime } from '../../../core/time.ts'
import {
  AUTOPILOT,
  check,
  kvWrite,
  registration,
  service,
  session,
  sidecar,
} from '../../unit/core/catalog/store-fixture.ts'
import { preparedQuery, queryTemplate } from '../../unit/core/queries/query-fixture.ts'

const IDS = ['6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11', '7f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b22']

export const NODES = ['n1', 'N1', 'n2', 'n3']
export const SERVICES = ['web', 'Web', 'db', 'web-sidecar-proxy']
/** Of nodes and services, as an address is looked up. */
export const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '2001:db8::9']
export const KEYS = ['a', 'a/', 'a/b', 'a/b/c', 'a/\uffee', 'a/\u{1f600}', 'b']
export const SESSIONS = ['s1', 's2', 's3']

const node = fc.constantFrom(...NODES)
const serviceId = fc.constantFrom('web', 'db', 'p')
const status = fc.constantFrom('passing' as const, 'warning' as const, 'critical' as const)
const key = fc.constantFrom(...KEYS)
const sessionId = fc.constantFrom(...SESSIONS)
const index = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 }))
/** Mostly forwards, by steps around the lock delays. */
const now = fc.integer({ min: 0, max: 40 }).map((n) => wallTime(n * 1000))

const serviceDefinition = fc.oneof(
  fc
    .record({
      id: serviceId,
      service: fc.constantFrom('web', 'Web', 'db'),
      tags: fc.subarray(['x', 'y']),
      connectNative: fc.boolean(),
      address: fc.constantFrom('', '10.0.0.2', '2001:DB8::0:9'),
    })
    .map(service),
  fc
    .tuple(serviceId, fc.constantFrom('web', 'db'))
    .map(([id, name]) => sidecar(name, { id, service: 'web-sidecar-proxy' })),
)

const checkDefinition = fc
  .record({
    checkId: fc.constantFrom('serfHealth', 'c1', 'c2'),
    status,
    serviceId: fc.oneof(fc.constant(''), serviceId),
    output: fc.constantFrom('', 'o'),
    follows: fc.boolean(),
  })
  .map(({ follows, ...given }) =>
    check(given.checkId, given.status, {
      serviceId: given.serviceId,
      output: given.output,
      ...(follows ? { type: 'session', definition: { SessionName: 'leader' } } : {}),
    }),
  )

const register: fc.Arbitrary<Command> = fc
  .record({
    node,
    id: fc.constantFrom('', ...IDS),
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', ''),
    skipNodeUpdate: fc.boolean(),
    service: fc.option(serviceDefinition, { nil: undefined }),
    checks: fc.array(checkDefinition, { maxLength: 2 }),
    now,
  })
  .map(({ now, service, ...given }) => ({
    kind: 'register',
    request: registration(given.node, service === undefined ? given : { ...given, service }),
    now,
  }))

const deregister: fc.Arbitrary<Command> = fc
  .record({
    request: fc.record(
      { node, serviceId, checkId: fc.constantFrom('serfHealth', 'c1', 'c2') },
      { requiredKeys: ['node'] },
    ),
    now,
  })
  .map(({ request, now }) => ({ kind: 'deregister', request, now }))

const entry = fc
  .record({
    key,
    value: fc.constantFrom('', 'v', 'w'),
    flags: fc.constantFrom(0n, 7n),
    session: fc.oneof(sessionId, fc.constant('')),
  })
  .map(({ key, value, flags, session }) => kvWrite(key, value, { flags, session }))

const kvOp: fc.Arbitrary<KvOp> = fc.oneof(
  fc.record({ verb: fc.constant('set' as const), entry }),
  fc.record({ verb: fc.constant('cas' as const), entry, index }),
  fc.record({ verb: fc.constant('lock' as const), entry }),
  fc.record({ verb: fc.constant('unlock' as const), entry }),
  fc.record({ verb: fc.constant('delete' as const), key }),
  fc.record({ verb: fc.constant('delete-tree' as const), key: fc.constantFrom('', 'a', ...KEYS) }),
  fc.record({ verb: fc.constant('delete-cas' as const), key, index }),
)

const kv: fc.Arbitrary<Command> = fc.record({ kind: fc.constant('kv' as const), op: kvOp, now })

const sessionCreate: fc.Arbitrary<Command> = fc
  .record({
    id: sessionId,
    node,
    name: fc.constantFrom('', 'leader'),
    behavior: fc.constantFrom('release' as const, 'delete' as const),
    lockDelayMs: fc.constantFrom(0, 5000, 15_000),
    nodeChecks: fc.subarray(['serfHealth', 'c1']),
  })
  .map(({ id, node, ...given }) => ({ kind: 'session.create', session: session(id, node, given) }))

const sessionDestroy: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('session.destroy' as const),
  id: sessionId,
  now,
})

/** What the later commands need to be more than refusals. */
const ready: fc.Arbitrary<Command> = fc
  .tuple(node, fc.constantFrom('passing' as const, 'warning' as const), now)
  .map(([name, state, now]) => ({
    kind: 'register',
    request: registration(name, { checks: [check('serfHealth', state), check('c1', state)] }),
    now,
  }))

const lock: fc.Arbitrary<Command> = fc
  .tuple(key, sessionId, fc.constantFrom('lock' as const, 'unlock' as const), now)
  .map(([key, id, verb, now]) => ({
    kind: 'kv',
    op: { verb, entry: kvWrite(key, 'v', { session: id }) },
    now,
  }))

/** A beginning in which locks can be taken. */
export const prelude: readonly Command[] = [
  {
    kind: 'register',
    request: registration('n1', {
      service: sidecar('web', { id: 'p', service: 'web-sidecar-proxy' }),
      checks: [check('serfHealth', 'passing'), check('c1', 'warning')],
    }),
    now: wallTime(0),
  },
  { kind: 'session.create', session: session('s1', 'n1', { nodeChecks: ['serfHealth'] }) },
  { kind: 'session.create', session: session('s2', 'n1', { behavior: 'delete', name: 'leader' }) },
]

/** The commands that the naive model knows. */
export const catalogCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: ready },
  { weight: 4, arbitrary: lock },
  { weight: 5, arbitrary: register },
  { weight: 1, arbitrary: deregister },
  { weight: 5, arbitrary: kv },
  { weight: 4, arbitrary: sessionCreate },
  { weight: 1, arbitrary: sessionDestroy },
)

const verb = fc.constantFrom('get', 'set', 'cas', 'delete', 'delete-cas')
const objectVerb = verb as fc.Arbitrary<'get' | 'set' | 'cas' | 'delete' | 'delete-cas'>

const txnOp: fc.Arbitrary<TxnOp> = fc.oneof(
  kvOp.map((op) => ({ type: 'kv' as const, op })),
  fc
    .record({ verb: fc.constantFrom('get-or-empty' as const, 'get-tree' as const), key })
    .map((op) => ({ type: 'kv' as const, op })),
  fc.tuple(objectVerb, node, fc.constantFrom('', ...IDS), index).map(([verb, name, id, index]) => ({
    type: 'node' as const,
    verb,
    node: {
      id,
      node: name,
      address: '10.0.0.3',
      datacenter: '',
      taggedAddresses: null,
      meta: null,
    },
    index,
  })),
  fc.tuple(objectVerb, node, serviceDefinition, index).map(([verb, node, service, index]) => ({
    type: 'service' as const,
    verb,
    node,
    service,
    index,
  })),
  fc
    .tuple(objectVerb, node, checkDefinition, index)
    .map(([verb, node, check, index]) => ({ type: 'check' as const, verb, node, check, index })),
)

const txn: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('txn' as const),
  ops: fc.array(txnOp, { minLength: 1, maxLength: 4 }),
  now,
})

const name = fc.constantFrom('*', 'web', 'db')

const intentionSet: fc.Arbitrary<Command> = fc
  .record({
    id: fc.constantFrom('', 'i1', 'i2'),
    sourceName: name,
    destinationName: name,
    action: fc.constantFrom('allow' as const, 'deny' as const, '' as const),
    now,
  })
  .map(({ now, ...given }) => ({
    kind: 'intention.set',
    intention: { description: '', permissions: [], meta: {}, ...given },
    now,
  }))

const intentionReplace: fc.Arbitrary<Command> = fc
  .record(
    {
      destinationName: name,
      sources: fc.uniqueArray(name, { maxLength: 3 }),
      action: fc.constantFrom('allow' as const, 'deny' as const, '' as const),
      cas: index,
      now,
    },
    { requiredKeys: ['destinationName', 'sources', 'action', 'now'] },
  )
  .map(({ sources, action, ...given }) => {
    const rest = { id: '', description: '', permissions: [], meta: {}, action }
    const { destinationName } = given
    const intentions = sources.map((sourceName) => ({ ...rest, sourceName, destinationName }))
    return { kind: 'intention.replace', intentions, ...given }
  })

const meshCommand: fc.Arbitrary<Command> = fc.oneof(
  intentionSet,
  intentionReplace,
  fc.record({
    kind: fc.constant('intention.delete' as const),
    by: fc.oneof(
      fc.record({ id: fc.constantFrom('i1', 'i2') }),
      fc.record({ sourceName: name, destinationName: name }),
    ),
  }),
  fc.record(
    {
      kind: fc.constant('config.set' as const),
      entryKind: fc.constantFrom('service-defaults', 'mesh'),
      name: fc.constantFrom('web', 'WEB', 'db'),
      body: fc.record({ Protocol: fc.constantFrom('tcp', 'http') }),
      cas: index,
    },
    { requiredKeys: ['kind', 'entryKind', 'name', 'body'] },
  ),
  fc.record(
    {
      kind: fc.constant('config.delete' as const),
      entryKind: fc.constantFrom('service-defaults', 'mesh'),
      name: fc.constantFrom('web', 'db'),
      cas: index,
    },
    { requiredKeys: ['kind', 'entryKind', 'name'] },
  ),
  fc.record({
    kind: fc.constant('ca.config.set' as const),
    config: fc.record({
      clusterId: fc.constantFrom('A', 'B'),
      provider: fc.constant('consul'),
      config: fc.record({ LeafCertTTL: fc.constantFrom('72h', '1h') }),
    }),
  }),
  fc.tuple(fc.subarray(['r1', 'r2'], { minLength: 1 }), index).map(([ids, cas]) => ({
    kind: 'ca.roots.set' as const,
    roots: ids.map((id, i) => ({
      id,
      name: 'Root',
      serialNumber: 1,
      signingKeyId: id,
      externalTrustDomain: 'a',
      notBefore: 0,
      notAfter: 1,
      rootCertPem: id,
      intermediateCertsPem: [],
      active: i === 0,
      privateKeyType: 'ec' as const,
      privateKeyBits: 256,
    })),
    provider: { rootId: ids[0] ?? '', privateKeyPem: 'key' },
    cas,
  })),
  fc.record(
    {
      kind: fc.constant('autopilot.config.set' as const),
      config: fc.boolean().map((cleanupDeadServers) => ({ ...AUTOPILOT, cleanupDeadServers })),
      cas: index,
    },
    { requiredKeys: ['kind', 'config'] },
  ),
  fc.record({
    kind: fc.constant('coordinate.batch' as const),
    updates: fc.array(
      fc.record({
        node,
        segment: fc.constantFrom('', 's'),
        coordinate: fc
          .constantFrom(0, 0.25, -0.125)
          .map((x) => ({ vec: [x, 0], error: 0.5, adjustment: -x, height: 1e-5 })),
      }),
      { maxLength: 3 },
    ),
  }),
  fc
    .record({
      mode: fc.constantFrom('create' as const, 'update' as const),
      id: fc.constantFrom('q1', 'q2'),
      name: fc.constantFrom('', 'web', 'WEB-', 'q1'),
      session: fc.constantFrom('', 's1'),
      isTemplate: fc.boolean(),
    })
    .map(({ mode, isTemplate, ...given }) => ({
      kind: 'query.set' as const,
      mode,
      query: isTemplate
        ? { ...queryTemplate(given.name, { tags: ['${name.suffix}'] }), ...given }
        : preparedQuery(given),
    })),
  fc.record({ kind: fc.constant('query.delete' as const), id: fc.constantFrom('q1', 'q2') }),
  fc.record({
    kind: fc.constant('ca.revoke' as const),
    revocation: fc.record({
      kind: fc.constantFrom('serial' as const, 'identity' as const),
      value: fc.constantFrom('', 'a', 'b'),
      reason: fc.constantFrom('', 'lost'),
    }),
    now,
  }),
  fc.record({
    kind: fc.constant('virtual-ip.set' as const),
    service: fc.constantFrom(...SERVICES),
    ips: fc.subarray(['10.96.0.1', '10.96.0.2', '10.96.0.3']),
  }),
  fc.record({
    kind: fc.constant('ca.reinstate' as const),
    id: fc.constantFrom('serial:a', 'identity:b'),
  }),
  fc.record({
    kind: fc.constant('ca.serial.take' as const),
    count: fc.integer({ min: 0, max: 3 }),
  }),
)

/** Every kind of command except the reaping of tombstones, after which indexes may go back. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: catalogCommand },
  { weight: 1, arbitrary: txn },
  { weight: 1, arbitrary: meshCommand },
)

export const reap: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('tombstone.reap' as const),
  index,
})
