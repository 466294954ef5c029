/**
 * `fairlead operator raft recover` on a real data directory of a server that has lost its peers.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { diskRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { run } from '../../unit/cli/run-program.ts'
import { makeNode, never } from '../server/raft/node-bench.ts'

const ID = '0b5c7a51-6f0e-4c1b-9a67-2f6a3f1f9e10'
const CLUSTER = '7b1b7f0a-3a54-4f8e-8b53-0f2f5f6a7c11'

const recover = (...flags: readonly string[]) => run(['operator', 'raft', 'recover', ...flags])

/** One of three founding members, which never met the others. */
async function lonelyServer(): Promise<{ dataDir: string } & AsyncDisposable> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-recover-'))
  await writeFile(join(dataDir, 'node-id'), `${ID}\n`)
  const members = [ID, 'gone-1', 'gone-2'].map((id, i) => ({ id, address: `10.0.0.${i + 1}:8300` }))
  const bootstrap = { clusterId: CLUSTER, members }
  const { node } = makeNode(diskRaftStorage(dataDir), { id: ID, bootstrap })
  await node.start(never())
  await node.stop()
  return {
    dataDir,
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  }
}

describe('fairlead operator raft recover', () => {
  it('says what it would do, does it when told the cluster, and the server leads alone', async () => {
    await using server = await lonelyServer()
    const { dataDir } = server
    const plan = await recover(`-data-dir=${dataDir}`)
    assert.equal(plan.code, 0, plan.stderr)
    assert.match(plan.stdout, new RegExp(`Cluster +${CLUSTER}, epoch 0 -> 1`))
    assert.match(plan.stdout, /Servers given up +gone-1 10\.0\.0\.2:8300, gone-2 10\.0\.0\.3:8300/)
    assert.match(plan.stdout, /Committed by this +index 1 to 1/)
    assert.match(plan.stdout, new RegExp(`Nothing was changed[^]*-i-understand=${CLUSTER}`))
    const done = await recover(`-data-dir=${dataDir}`, `-i-understand=${CLUSTER}`)
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /Done\. Start this server/)
    const { node } = makeNode(diskRaftStorage(dataDir), { id: ID })
    await node.start(never())
    assert.equal(node.status().role, 'leader')
    assert.deepEqual(node.status().cluster, { clusterId: CLUSTER, epoch: 1 })
    await node.stop()
  })

  it('changes nothing for another cluster, nor where there is no server', async () => {
    await using server = await lonelyServer()
    const wrong = await recover(`-data-dir=${server.dataDir}`, '-i-understand=other')
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, new RegExp(`is "${CLUSTER}", not "other"`))
    const nowhere = await recover(`-data-dir=${server.dataDir}/nowhere`)
    assert.equal(nowhere.code, 1)
    assert.match(nowhere.stderr, /is not the data directory of a server/)
    const unsaid = await recover()
    assert.equal(unsaid.code, 1)
    assert.match(unsaid.stderr, /Must specify -data-dir/)
    const plan = await recover(`-data-dir=${server.dataDir}`)
    assert.match(plan.stdout, /epoch 0 -> 1/)
  })
})
