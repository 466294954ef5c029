/**
 * Metrics of a server: requests of agents, writes, the leader's duties, what the state holds.
 */

import { counter, gauge, sample } from '../definition.ts'

export const SERVER_METRICS = {
  request: counter(
    'rpc.request',
    'Requests that this server was given by agents, its own among them',
  ),
  requestError: counter('rpc.request_error', 'Requests of agents that failed'),
  rateLimited: counter(
    'rpc.rate_limit.exceeded',
    'Requests beyond limits.request_limits, whether they were refused (mode) or not',
    ['limit_type', 'op', 'mode'],
  ),
  query: counter('rpc.query', 'Reads among the requests of agents'),
  queriesBlocking: gauge('rpc.queries_blocking', 'Reads that wait for a change'),
  consistentRead: sample('rpc.consistentRead', 'Reads of consistency `consistent`'),
  call: sample(
    'rpc.server.call',
    'Requests of agents by method; reads that wait for a change are left out',
    ['method', 'errored', 'request_type'],
  ),
  serviceQuery: counter('catalog.service.query', 'Reads of the instances of a service', [
    'service',
  ]),
  connectQuery: counter('catalog.connect.query', 'Reads of what takes mesh traffic for a service', [
    'service',
  ]),
  healthQuery: counter('health.service.query', 'Reads of the health of a service', ['service']),
  healthNotFound: counter(
    'health.service.not-found',
    'Reads of the health of a service that has no instances',
    ['service'],
  ),
  kvsApply: sample('kvs.apply', 'Writes of a key, from the leader to the answer'),
  txnApply: sample('txn.apply', 'Transactions, from the leader to the answer'),
  sessionApply: sample('session.apply', 'Creating and destroying sessions'),
  catalogRegister: sample('catalog.register', 'Registrations in the catalog'),
  catalogDeregister: sample('catalog.deregister', 'Deregistrations from the catalog'),
  intentionApply: sample('intention.apply', 'Writes of intentions'),
  configEntryApply: sample('config_entry.apply', 'Writes of config entries'),
  queryApply: sample('prepared-query.apply', 'Writes of prepared queries'),
  sessionTtlActive: gauge('session_ttl.active', 'Sessions with a TTL that the leader watches'),
  sessionTtlInvalidate: sample('session_ttl.invalidate', 'Ending a session whose TTL ran out'),
  reconcile: sample('leader.reconcile', 'Bringing the catalog in line with the gossip pool'),
  reapTombstones: sample('leader.reapTombstones', 'Forgetting deleted keys'),
  autopilotHealthy: gauge(
    'autopilot.healthy',
    '1 when all servers are healthy; on the leader only',
  ),
  autopilotTolerance: gauge(
    'autopilot.failure_tolerance',
    'Servers that may fail without an outage; on the leader only',
  ),
  nodes: gauge('state.nodes', 'Nodes in the catalog'),
  services: gauge('state.services', 'Names of services in the catalog'),
  serviceInstances: gauge('state.service_instances', 'Instances of services in the catalog'),
  kvEntries: gauge('state.kv_entries', 'Keys in the KV store'),
  sessions: gauge('state.sessions', 'Sessions'),
  intentions: gauge('state.intentions', 'Intentions'),
  configEntries: gauge('state.config_entries', 'Config entries by kind', ['kind']),
  rootExpiry: gauge('mesh.active-root-ca.expiry', 'Seconds until the active root certificate ends'),
} as const
