/**
 * Patroni keeps PostgreSQL available through a client agent of three servers: an election, a kill -9 of the leader, the return
 * of the old one, and a switch-over on demand.
 */

import assert from 'node:assert/strict'
import { realpath, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../e2e/harness/agent.ts'
import { createCluster, type TestNode } from '../e2e/harness/cluster.ts'
import { eventually } from '../e2e/harness/program.ts'
import { PatroniInstance, preparePatroni } from './harness/patroni.ts'
import { installedProgram, pythonPackages } from './harness/peers.ts'

/** Nothing is found out before a session has expired, at the latest after twice its time. */
const STEP_MAX_MS = 120_000
const LEADER_KEY = 'service/pg/leader'

describe('Patroni', () => {
  it('elects a leader, replaces one that was killed, and takes it back', async (t) => {
    const initdb = installedProgram(t, 'initdb', ['/usr/lib/postgresql/*/bin'])
    if (initdb === undefined) return
    const python = await pythonPackages(t, 'patroni')
    if (python === undefined) return
    await using cluster = await createCluster(['s1', 's2', 's3'])
    const client = await cluster.addClient('c1')
    await cluster.startAll()
    await cluster.leader()
    const folder = await temporaryFolder()
    // A link may stand where its neighbours are not.
    const binaries = dirname(await realpath(initdb))
    const setup = { python, binaries, folder, agentPort: client.ports.http }
    const instances: PatroniInstance[] = []
    try {
      await preparePatroni(setup)
      for (const name of ['pg1', 'pg2', 'pg3']) {
        instances.push(await PatroniInstance.create(name, setup))
      }
      await live(instances, client)
    } catch (err) {
      const outputs = instances.map(({ name, output }) => `${name}:\n${output.slice(-4_000)}`)
      throw new Error(`${(err as Error).message}\n${outputs.join('\n')}`, { cause: err })
    } finally {
      for (const instance of instances) await instance.kill()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

async function live(instances: readonly PatroniInstance[], client: TestNode): Promise<void> {
  for (const instance of instances) instance.start()
  const first = await leaderOf(instances, client, [])
  await first.sql('create table facts (said text)')
  await first.sql("insert into facts values ('before')")
  await streams(instances, first)
  await isFoundByRole(client, first)

  await first.kill()
  const second = await leaderOf(instances, client, [first])
  await insert(second, 'after')
  assert.equal(await second.sql('select count(*) from facts'), '2')
  await isFoundByRole(client, second)

  first.start()
  await streams(instances, second)
  await has(first, 'after')

  await eventually(
    'the switch-over is taken up',
    async () => (await second.switchOver(first)) === 200,
    STEP_MAX_MS,
  )
  const third = await leaderOf(instances, client, [second])
  assert.equal(third, first)
  await insert(third, 'again')
  await streams(instances, third)
  for (const instance of instances) await has(instance, 'again')
}

/** Who holds the key by a session that exists, and takes writes. @param not who it must not be */
async function leaderOf(
  instances: readonly PatroniInstance[],
  client: TestNode,
  not: readonly PatroniInstance[],
): Promise<PatroniInstance> {
  return await eventually(
    'a leader',
    async () => {
      const [key] = await client.json<readonly { readonly Session?: string }[]>(
        `/v1/kv/${LEADER_KEY}`,
      )
      if (key?.Session === undefined) return undefined
      const sessions = await client.json<readonly unknown[]>(`/v1/session/info/${key.Session}`)
      assert.equal(sessions.length, 1)
      const name = await client.value(LEADER_KEY)
      const leader = instances.find((instance) => instance.name === name)
      if (leader === undefined || not.includes(leader)) return undefined
      return (await leader.sql('select pg_is_in_recovery()')) === 'f' ? leader : undefined
    },
    STEP_MAX_MS,
  )
}

/** All others follow. */
async function streams(
  instances: readonly PatroniInstance[],
  leader: PatroniInstance,
): Promise<void> {
  await eventually(
    'all replicas stream',
    async () => {
      const members = (await leader.members()) ?? []
      const replicas = members.filter((member) => member.state === 'streaming')
      return members.length === instances.length && replicas.length === instances.length - 1
    },
    STEP_MAX_MS,
  )
}

/** As clients find it: by the tag of its role among the healthy. */
async function isFoundByRole(client: TestNode, leader: PatroniInstance): Promise<void> {
  await eventually(
    'the catalog names the leader alone',
    async () => {
      const found = await client.json<readonly { readonly Service: { readonly ID: string } }[]>(
        '/v1/health/service/pg?passing&tag=primary',
      )
      return found.length === 1 && found[0]?.Service.ID.endsWith(leader.name)
    },
    STEP_MAX_MS,
  )
}

/** A leader that was just promoted may refuse at first. */
async function insert(leader: PatroniInstance, fact: string): Promise<void> {
  await eventually(
    `${leader.name} takes a write`,
    async () => {
      await leader.sql(`insert into facts values ('${fact}')`)
      return true
    },
    STEP_MAX_MS,
  )
}

async function has(instance: PatroniInstance, fact: string): Promise<void> {
  await eventually(
    `${instance.name} has what was written`,
    async () => (await instance.sql(`select count(*) from facts where said = '${fact}'`)) === '1',
    STEP_MAX_MS,
  )
}
