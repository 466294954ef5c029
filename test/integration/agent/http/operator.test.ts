/**
 * /v1/operator and the pool's acts over a real server of one (http-api.md 9.4, 20).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AutopilotState } from '../../../../core/autopilot/types.ts'
import { FairleadError } from '../../../../core/errors.ts'
import type { MemberPool } from '../../../../core/membership.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { HandMembership, member } from '../../server/running-server.ts'
import { NODE_ID, startAgent } from './running-agent.ts'

/** Answers one operator's call by hand, everything else for real. */
function withState(state: AutopilotState): (servers: ServerApi) => ServerApi {
  return (servers) =>
    new Proxy(servers, {
      get: (target, name) => {
        if (name === 'operate') return async () => state
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
}

describe('/v1/operator/raft', () => {
  it('shows the servers', async () => {
    await using agent = await startAgent()
    for (const path of ['', '?stale', '?dc=dc1', '?consistent']) {
      const answer = await agent.get(`/v1/operator/raft/configuration${path}`)
      assert.equal(answer.status, 200, answer.text)
      const { Servers, Index } = answer.json() as {
        Servers: Record<string, unknown>[]
        Index: number
      }
      assert.equal(Servers.length, 1)
      const { Address, LastIndex, ...rest } = Servers[0] as Record<string, unknown>
      assert.deepEqual(rest, {
        ID: NODE_ID,
        Node: 'n1',
        Leader: true,
        ProtocolVersion: '3',
        Voter: true,
      })
      assert.match(String(Address), /^127\.0\.0\.1:\d+$/)
      assert.ok(Number(LastIndex) > 0 && Index > 0)
    }
    const other = await agent.get('/v1/operator/raft/configuration?dc=dc2')
    assert.deepEqual([other.status, other.text], [500, 'No path to datacenter'])
    assert.deepEqual(agent.errors, [])
  })

  it('refuses to remove what is not there or what is not said', async () => {
    await using agent = await startAgent()
    const cases: readonly (readonly [string, number, string])[] = [
      [
        '',
        400,
        "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
      ],
      ['?id=a&address=b', 400, 'Must specify only one of ?id or ?address'],
      ['?id=x', 500, 'id "x" was not found in the Raft configuration'],
      [
        '?address=10.9.9.9:8300',
        500,
        'address "10.9.9.9:8300" was not found in the Raft configuration',
      ],
    ]
    for (const [query, status, text] of cases) {
      const answer = await agent.send('DELETE', `/v1/operator/raft/peer${query}`)
      assert.deepEqual([answer.status, answer.text], [status, text])
    }
    const alone = await agent.send('POST', '/v1/operator/raft/transfer-leader?id=x')
    assert.equal(alone.status, 500)
    assert.equal((await agent.get('/v1/operator/raft/transfer-leader')).status, 405)
  })
})

describe('/v1/operator/autopilot', () => {
  it('keeps its settings, starting from the defaults', async () => {
    await using agent = await startAgent()
    const path = '/v1/operator/autopilot/configuration'
    const first = (await agent.get(path)).json() as Record<string, unknown>
    assert.deepEqual(Object.keys(first), [
      'CleanupDeadServers',
      'LastContactThreshold',
      'MaxTrailingLogs',
      'MinQuorum',
      'ServerStabilizationTime',
      'RedundancyZoneTag',
      'DisableUpgradeMigration',
      'UpgradeVersionTag',
      'CreateIndex',
      'ModifyIndex',
    ])
    const set = await agent.put(path, { MaxTrailingLogs: 100, LastContactThreshold: '1m' })
    assert.deepEqual([set.status, set.text], [200, 'true'])
    const now = (await agent.get(path)).json() as Record<string, unknown>
    assert.equal(now['LastContactThreshold'], '1m0s')
    assert.equal(now['ServerStabilizationTime'], '10s')
    assert.equal(now['MaxTrailingLogs'], 100)
    const index = Number(now['ModifyIndex'])
    assert.equal((await agent.put(`${path}?cas=${index + 7}`, {})).text, 'false')
    assert.equal((await agent.put(`${path}?cas=${index}`, now)).text, 'true')
  })

  it('says what is wrong with settings', async () => {
    await using agent = await startAgent()
    const path = '/v1/operator/autopilot/configuration'
    for (const body of ['', '{', '[]', { MaxTrailingLogs: -1 }, { Odd: 1 }, { MinQuorum: 'x' }]) {
      const answer = await agent.put(path, body)
      assert.equal(answer.status, 400)
      assert.match(answer.text, /^Error parsing autopilot config: ./)
    }
    const cas = await agent.put(`${path}?cas=x`, {})
    assert.equal(cas.status, 400)
    assert.match(cas.text, /^Error parsing cas value: /)
  })

  it('shows health and state of the servers, 429 when something is wrong', async () => {
    await using agent = await startAgent()
    const real = await agent.get('/v1/operator/autopilot/state')
    assert.equal(real.status, 200, real.text)
    assert.equal((real.json() as { Leader: string }).Leader, NODE_ID)

    const state: AutopilotState = {
      isHealthy: false,
      failureTolerance: 0,
      optimisticFailureTolerance: 1,
      leader: 'a',
      voters: ['a', 'b'],
      servers: ['a', 'b'].map((id) => ({
        id,
        name: `vm-${id}`,
        address: `10.0.0.1:8300`,
        serfStatus: id === 'a' ? 'alive' : 'failed',
        version: '1.21.4',
        isLeader: id === 'a',
        isVoter: true,
        lastContactMs: id === 'a' ? 12.5 : null,
        lastTerm: 2,
        lastIndex: 812,
        isHealthy: id === 'a',
        stableSince: 1_768_219_200_000,
        meta: {},
      })),
    }
    await using sick = await startAgent({}, { watchServers: withState(state) })
    const health = await sick.get('/v1/operator/autopilot/health')
    assert.equal(health.status, 429)
    assert.equal(
      health.text,
      '{"Healthy":false,"FailureTolerance":0,"Servers":[' +
        '{"ID":"a","Name":"vm-a","Address":"10.0.0.1:8300","SerfStatus":"alive","Version":"1.21.4","Leader":true,"LastContact":"12.5ms","LastTerm":2,"LastIndex":812,"Healthy":true,"Voter":true,"StableSince":"2026-01-12T12:00:00Z"},' +
        '{"ID":"b","Name":"vm-b","Address":"10.0.0.1:8300","SerfStatus":"failed","Version":"1.21.4","Leader":false,"LastContact":"0s","LastTerm":2,"LastIndex":812,"Healthy":false,"Voter":true,"StableSince":"2026-01-12T12:00:00Z"}]}',
    )
    const shown = (await sick.get('/v1/operator/autopilot/state')).json() as {
      Servers: Record<string, Record<string, unknown>>
    }
    assert.deepEqual(shown.Servers['b'], {
      ID: 'b',
      Name: 'vm-b',
      Address: '10.0.0.1:8300',
      NodeStatus: 'failed',
      Version: '1.21.4',
      LastContact: '0s',
      LastTerm: 2,
      LastIndex: 812,
      Healthy: false,
      StableSince: '2026-01-12T12:00:00Z',
      ReadReplica: false,
      Status: 'voter',
      Meta: {},
      NodeType: 'voter',
    })
  })
})

describe('/v1/operator/usage', () => {
  it('counts and blocks until something changes', async () => {
    await using agent = await startAgent()
    const register = (ID: string, extra: object = {}) =>
      agent.put('/v1/agent/service/register', { Name: ID, ID, Port: 80, ...extra })
    await register('web')
    await register('web-proxy', {
      Kind: 'connect-proxy',
      Proxy: { DestinationServiceName: 'web' },
    })
    const before = await agent.get('/v1/operator/usage')
    const body = before.json() as {
      Usage: { dc1: object }
      Index: number
      ConsistencyLevel: string
    }
    assert.deepEqual(body.Usage.dc1, {
      Services: 3,
      ServiceInstances: 3,
      ConnectServiceInstances: {
        'connect-native': 0,
        'connect-proxy': 1,
        'ingress-gateway': 0,
        'mesh-gateway': 0,
        'terminating-gateway': 0,
        'api-gateway': 0,
      },
      BillableServiceInstances: 1,
      Nodes: 1,
    })
    assert.equal(body.ConsistencyLevel, 'leader')
    assert.equal(before.headers['x-consul-index'], String(body.Index))
    const blocked = agent.get(`/v1/operator/usage?index=${body.Index}&wait=1m`)
    await register('db')
    const after = (await blocked).json() as { Usage: { dc1: { Services: number } } }
    assert.equal(after.Usage.dc1.Services, 4)
  })
})

describe('/v1/agent/join and force-leave', () => {
  it('act on the pool of the agent', async () => {
    const acts: unknown[] = []
    const membership = new HandMembership([member('n1')])
    const pool: MemberPool = {
      self: () => membership.self(),
      members: () => membership.members(),
      onChange: (listener) => membership.onChange(listener),
      join: async (addresses) => {
        acts.push(['join', addresses])
        if (addresses[0] === '10.0.0.9') {
          throw new FairleadError('NO_SERVERS', '1 error: 10.0.0.9: connection refused')
        }
        return 1
      },
      leave: async () => {},
      forceLeave: async (name, options) => {
        acts.push(['force-leave', name, options])
        if (name === 'nobody') throw new FairleadError('NOT_FOUND', 'unknown')
      },
      setTags: () => {},
      coordinate: null,
      isEncrypted: false,
      gossipKey: undefined,
      stats: () => ({}),
      keyring: async () => {
        throw new FairleadError('REJECTED', 'keyring is empty')
      },
    }
    await using agent = await startAgent({}, { pool })
    const answers = [
      await agent.put('/v1/agent/join/10.0.0.7:8301'),
      await agent.put('/v1/agent/join/10.0.0.9'),
      await agent.put('/v1/agent/join/10.0.0.7?wan=1'),
      await agent.put('/v1/agent/force-leave/vm-b'),
      await agent.put('/v1/agent/force-leave/vm-b?prune'),
      await agent.put('/v1/agent/force-leave/nobody'),
      await agent.get('/v1/agent/join/10.0.0.7'),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 500, 501, 200, 200, 500, 405],
    )
    assert.equal(answers[0]?.text, '')
    assert.equal(answers[1]?.text, '1 error: 10.0.0.9: connection refused')
    assert.equal(answers[5]?.text, "agent: No node found with name 'nobody'")
    assert.deepEqual(acts, [
      ['join', ['10.0.0.7:8301']],
      ['join', ['10.0.0.9']],
      ['force-leave', 'vm-b', { prune: false }],
      ['force-leave', 'vm-b', { prune: true }],
      ['force-leave', 'nobody', { prune: false }],
    ])
  })
})
