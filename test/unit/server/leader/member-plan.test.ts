/**
 * What is written about a member, and above all when nothing is.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckRecord, NodeRecord, ServiceRecord } from '../../../../core/catalog/types.ts'
import type { Member } from '../../../../core/membership.ts'
import {
  type CatalogNode,
  planGone,
  planMember,
  planMissing,
} from '../../../../server/leader/member-plan.ts'

const INDEXED = { createIndex: 3, modifyIndex: 3 }

function member(change: Partial<Member> = {}): Member {
  return {
    name: 'n1',
    address: '10.0.0.1',
    port: 8301,
    tags: { role: 'node', id: 'id-1' },
    status: 'alive',
    ...change,
  }
}

function server(change: Partial<Member> = {}): Member {
  const tags = { role: 'consul', id: 'id-1', port: '8300', build: '1.21.4:abc' }
  return member({ tags, ...change })
}

/** What the store would hold after `first` had been applied. */
function afterwards(first: Member): CatalogNode {
  const command = planMember(first, null)
  assert.equal(command?.kind, 'register')
  const { request } = command
  const node: NodeRecord = {
    id: request.id,
    node: request.node,
    address: request.address,
    datacenter: 'dc1',
    taggedAddresses: { lan: request.address },
    meta: { rack: 'a' },
    ...INDEXED,
  }
  const services: ServiceRecord[] =
    request.service === undefined ? [] : [{ ...request.service, node: request.node, ...INDEXED }]
  const checks: CheckRecord[] = request.checks.map((check) => ({
    ...check,
    node: request.node,
    ...INDEXED,
  }))
  return { node, services, checks }
}

test('an alive member is registered with a passing serfHealth', () => {
  const command = planMember(member(), null)
  assert.equal(command?.kind, 'register')
  assert.equal(command.request.service, undefined)
  const [check] = command.request.checks
  assert.equal(check?.checkId, 'serfHealth')
  assert.equal(check?.name, 'Serf Health Status')
  assert.equal(check?.status, 'passing')
  assert.equal(check?.output, 'Agent alive and reachable')
  assert.equal(check?.type, '')
})

test('a server also gets the service consul with its RPC port', () => {
  const command = planMember(server(), null)
  assert.equal(command?.kind, 'register')
  assert.equal(command.request.service?.id, 'consul')
  assert.equal(command.request.service?.service, 'consul')
  assert.equal(command.request.service?.port, 8300)
  assert.deepEqual(command.request.service?.meta, {
    non_voter: 'false',
    read_replica: 'false',
    raft_version: '3',
    serf_protocol_current: '2',
    serf_protocol_min: '1',
    serf_protocol_max: '5',
    version: '1.21.4',
  })
})

test('nothing is written when nothing differs', () => {
  assert.equal(planMember(member(), afterwards(member())), null)
  assert.equal(planMember(server(), afterwards(server())), null)
})

test('a changed port of a server writes the service alone', () => {
  const tags = { role: 'consul', id: 'id-1', port: '9300', build: '1.21.4:abc' }
  const command = planMember(server({ tags }), afterwards(server()))
  assert.equal(command?.kind, 'register')
  assert.equal(command.request.service?.port, 9300)
  assert.equal(command.request.skipNodeUpdate, true)
  assert.deepEqual(command.request.checks, [])
})

test('a changed address updates the node and keeps what its agent wrote', () => {
  const command = planMember(member({ address: '10.0.0.9' }), afterwards(member()))
  assert.equal(command?.kind, 'register')
  assert.equal(command.request.skipNodeUpdate, false)
  assert.equal(command.request.address, '10.0.0.9')
  assert.deepEqual(command.request.meta, { rack: 'a' })
})

test('a failed member turns critical, once, and only if the catalog knows it', () => {
  const known = afterwards(member())
  const command = planMember(member({ status: 'failed' }), known)
  assert.equal(command?.kind, 'register')
  assert.equal(command.request.checks[0]?.status, 'critical')
  assert.equal(command.request.checks[0]?.output, 'Agent not live or unreachable')
  assert.equal(command.request.skipNodeUpdate, true)
  assert.equal(planMember(member({ status: 'failed' }), null), null)
  const critical = known.checks.map((check) => ({ ...check, status: 'critical' as const }))
  assert.equal(planMember(member({ status: 'failed' }), { ...known, checks: critical }), null)
})

test('a member that left is deregistered, one that leaves is let be', () => {
  const known = afterwards(member())
  assert.deepEqual(planMember(member({ status: 'left' }), known), {
    kind: 'deregister',
    request: { node: 'n1' },
  })
  assert.equal(planMember(member({ status: 'left' }), null), null)
  assert.equal(planMember(member({ status: 'leaving' }), known), null)
})

test('nodes without serfHealth are never touched', () => {
  const foreign = { ...afterwards(member()), checks: [] }
  assert.equal(planGone(foreign), null)
  assert.equal(planMissing(foreign), null)
  assert.equal(planMember(member({ status: 'left' }), foreign), null)
})
