/**
 * A cluster whose majority is gone for good, brought back from its last server by the two ways of
 * docs/how-to/recover-a-cluster.md, with real processes: nothing that was acknowledged is missing, new servers join,
 * and what comes back of the old cluster is not listened to.
 */

import assert from 'node:assert/strict'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { eventually, runCommand } from './harness/program.ts'

const KEYS = 40

interface RaftConfiguration {
  readonly Servers: readonly { readonly Node: string; readonly Voter: boolean }[]
}

/** Of a cluster that then loses all its servers, all but one of them for good. */
async function writeAndPerish(cluster: TestCluster): Promise<TestNode> {
  await cluster.startAll()
  const leader = await cluster.leader()
  for (let i = 0; i < KEYS; i++) {
    const written = await leader.put(`/v1/kv/kept/${i}`, `value ${i}`)
    assert.equal(await written.text(), 'true')
  }
  // A follower may lack what was written last, and then it would not be the one to keep.
  const survivor = cluster.running.find((node) => node !== leader)
  assert(survivor !== undefined)
  await eventually('the survivor has what was written', async () => {
    return (await survivor.value(`kept/${KEYS - 1}`, 'stale')) !== undefined
  })
  await Promise.all(cluster.running.map((node) => node.kill()))
  return survivor
}

async function assertKept(node: TestNode): Promise<void> {
  for (let i = 0; i < KEYS; i++) assert.equal(await node.value(`kept/${i}`), `value ${i}`)
}

async function votersSeenBy(node: TestNode): Promise<string> {
  const { Servers } = await node.json<RaftConfiguration>('/v1/operator/raft/configuration')
  const voters = Servers.filter(({ Voter }) => Voter).map(({ Node }) => Node)
  return voters.sort().join(' ')
}

/** Two new servers join the one that is left, and all of them work. */
async function growAgain(cluster: TestCluster, survivor: TestNode): Promise<void> {
  const newcomers = [await cluster.addServer('n4'), await cluster.addServer('n5')]
  await Promise.all(newcomers.map((node) => node.start()))
  const wanted = [survivor.name, 'n4', 'n5'].sort().join(' ')
  const hasVoters = async (): Promise<boolean> => (await votersSeenBy(survivor)) === wanted
  await eventually('the new servers have votes', hasVoters, 90_000)
  for (const node of newcomers) {
    await assertKept(node)
    assert.equal(await (await node.put(`/v1/kv/from/${node.name}`, 'x')).text(), 'true')
    assert.equal(await survivor.value(`from/${node.name}`), 'x')
  }
}

const STABLE_SOON = ['-hcl=autopilot { server_stabilization_time = "1s" }']

describe('a cluster that has lost its majority for good', () => {
  it('goes on from one server by peers.json', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'], { flags: STABLE_SOON })
    const survivor = await writeAndPerish(cluster)
    await survivor.start()
    const isRefused = async (): Promise<boolean> => {
      const response = await survivor.put('/v1/kv/too/early', 'x')
      return response.headers.get('x-fairlead-error') === 'NO_LEADER'
    }
    assert(await isRefused(), 'one of three takes no writes')
    await survivor.kill()
    const id = (await readFile(join(survivor.folder, 'node-id'), 'utf8')).trim()
    const file = join(survivor.folder, 'raft', 'peers.json')
    const listed = [{ id, address: survivor.rpcAddress, non_voter: false }]
    await writeFile(file, JSON.stringify(listed))
    await survivor.start()
    await eventually('it leads alone', async () => {
      return (await survivor.leaderAddress()) === survivor.rpcAddress
    })
    assert.equal(await votersSeenBy(survivor), survivor.name)
    await assert.rejects(access(file), 'the file is consumed')
    await assertKept(survivor)
    assert.equal(await survivor.value('too/early'), undefined)
    await growAgain(cluster, survivor)
  })

  it('goes on from one server by one command, and does not hear the old ones', async () => {
    await using cluster = await createCluster(['n1', 'n2', 'n3'], { flags: STABLE_SOON })
    const survivor = await writeAndPerish(cluster)
    const recover = (...more: readonly string[]) =>
      runCommand(['operator', 'raft', 'recover', `-data-dir=${survivor.folder}`, ...more])
    const plan = await recover()
    assert.equal(plan.code, 0, plan.stderr)
    const understood = /-i-understand=[0-9a-f-]+/.exec(plan.stdout)?.[0]
    assert(understood !== undefined, plan.stdout)
    const done = await recover(understood)
    assert.equal(done.code, 0, done.stderr)
    await survivor.start()
    await eventually('it leads alone', async () => {
      return (await survivor.leaderAddress()) === survivor.rpcAddress
    })
    await assertKept(survivor)
    await growAgain(cluster, survivor)
    const old = [...cluster.nodes.values()].find((node) => !node.isRunning)
    assert(old !== undefined)
    await old.start()
    await eventually('the old server is met again by gossip', async () => {
      const members =
        await survivor.json<readonly { Name: string; Status: number }[]>('/v1/agent/members')
      return members.some(({ Name, Status }) => Name === old.name && Status === 1)
    })
    for (let i = 0; i < 20; i++) {
      assert.equal(await (await survivor.put(`/v1/kv/later/${i}`, 'x')).text(), 'true')
    }
    const asked = await fetch(`${old.url}/v1/kv/later/19?stale`)
    assert.notEqual(asked.status, 200, 'it is of another epoch')
    assert.equal((await votersSeenBy(survivor)).split(' ').includes(old.name), false)
  })
})
