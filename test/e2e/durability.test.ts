/**
 * What was acknowledged survives kill -9 at any moment, and a clean restart.
 */

import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

const ROUNDS = 4
const WRITERS = 4

describe('a server with a data directory', () => {
  it('loses no acknowledged write to kill -9', async () => {
    const dataDir = await temporaryFolder()
    const acknowledged = new Map<string, string>()
    try {
      for (let round = 0; round < ROUNDS; round++) {
        await using agent = await startAgent({ dataDir })
        await assertAllThere(agent, acknowledged)
        const before = acknowledged.size
        // Each round ends after a different number of writes, with others still in flight.
        await writeUntilKilled(agent, round, before + 20 * (round + 1), acknowledged)
        assert.ok(acknowledged.size > before, 'nothing was written')
      }
      await using agent = await startAgent({ dataDir })
      await assertAllThere(agent, acknowledged)
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  it('keeps its identity, services and intentions over kill -9', async () => {
    const dataDir = await temporaryFolder()
    const identity = async (agent: TestAgent): Promise<string> => {
      const self = await agent.json<{ Config: { NodeID: string } }>('/v1/agent/self')
      return self.Config.NodeID
    }
    try {
      let nodeId: string
      {
        await using agent = await startAgent({ dataDir })
        nodeId = await identity(agent)
        const registered = await agent.put('/v1/agent/service/register', {
          Name: 'web',
          Port: 8080,
          Check: { TTL: '1h' },
        })
        assert.equal(registered.status, 200, await registered.text())
        const passed = await agent.put('/v1/agent/check/pass/service:web')
        assert.equal(passed.status, 200, await passed.text())
        await eventually('the reported status is on disk', async () => {
          return (await readdir(join(dataDir, 'checks', 'state'))).length === 1
        })
        const intention = await agent.put('/v1/connect/intentions/exact?source=a&destination=web', {
          Action: 'deny',
        })
        assert.equal(intention.status, 200, await intention.text())
        agent.signal('SIGKILL')
        await agent.ended
      }
      await using agent = await startAgent({ dataDir })
      assert.equal(await identity(agent), nodeId)
      const services = await agent.json<Record<string, { Port: number }>>('/v1/agent/services')
      assert.equal(services['web']?.Port, 8080)
      await eventually('the service is healthy in the catalog', async () => {
        const health = await agent.json<readonly unknown[]>('/v1/health/service/web?passing')
        return health.length === 1
      })
      const check = await agent.json<{ Allowed: boolean }>(
        '/v1/connect/intentions/check?source=a&destination=web',
      )
      assert.equal(check.Allowed, false)
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

async function writeUntilKilled(
  agent: TestAgent,
  round: number,
  target: number,
  acknowledged: Map<string, string>,
): Promise<void> {
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const key = `k/${round}/${writer}/${i}`
      const value = `v-${key}`
      try {
        const response = await agent.put(`/v1/kv/${key}`, value)
        if ((await response.text()).trim() === 'true') acknowledged.set(key, value)
      } catch {
        // The agent is dead: this write was never acknowledged.
        return
      }
      if (acknowledged.size >= target) agent.signal('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
  await agent.ended
}

async function assertAllThere(
  agent: TestAgent,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  if (acknowledged.size === 0) return
  const entries = await agent.json<readonly { Key: string; Value: string }[]>('/v1/kv/k/?recurse')
  const found = new Map(
    entries.map((entry) => [entry.Key, Buffer.from(entry.Value, 'base64').toString()]),
  )
  for (const [key, value] of acknowledged) assert.equal(found.get(key), value, `${key} was lost`)
}
