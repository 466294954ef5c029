/**
 * Servers that are too far behind for the log: images sent, received, resumed, restored, over real storage.
 */

import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openLevelStore } from '../../../../runtime/storage/level-store.ts'
import { entryKey } from '../../../../runtime/storage/log-records.ts'
import { bytes, TestCluster } from './test-cluster.ts'

const snapshots = { thresholdEntries: 20, intervalMs: 0, trailingEntries: 5 }

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `entry ${from + i}`)

/** Three servers; one is stopped, and the log of the others moves past it. */
async function withOneLeftBehind(): Promise<{ cluster: TestCluster; away: string }> {
  const cluster = await TestCluster.ofThree({ snapshots })
  await cluster.write(...numbered(0, 10))
  await cluster.agree(...numbered(0, 10))
  const [away = ''] = await cluster.followers()
  await cluster.stop(away)
  // The log is kept for who was heard lately.
  const { made } = await cluster.leader()
  const isMissed = (): boolean => made.node.status().progress.get(away)?.isActive === false
  await cluster.until(isMissed, 'the leader to miss the stopped server')
  for (let i = 10; i < 130; i += 5) await cluster.write(...numbered(i, i + 5))
  return { cluster, away }
}

describe('a server that is behind the log', () => {
  it('gets an image, then the entries after it', async () => {
    const { cluster, away } = await withOneLeftBehind()
    await using _ = cluster
    const { made } = await cluster.leader()
    const firstKept = made.node.status().lastSnapshotIndex - snapshots.trailingEntries
    assert.ok(firstKept > 20, 'the log was compacted past what the server has')
    const back = await cluster.start(away, { snapshots })
    await cluster.write('and more')
    await cluster.agree(...numbered(0, 130), 'and more')
    assert.ok(back.machine.restores >= 1)
    assert.ok(back.node.status().lastSnapshotIndex > 20)
  })

  it('keeps what it got over a restart', async () => {
    const { cluster, away } = await withOneLeftBehind()
    await using _ = cluster
    await cluster.start(away, { snapshots })
    await cluster.agree(...numbered(0, 130))
    await cluster.stop(away)
    const again = cluster.make(away, { snapshots })
    await cluster.settle(again.node.start(new AbortController().signal))
    await cluster.agree(...numbered(0, 130))
  })

  it('is sent the image by the next leader when the first is lost on the way', async () => {
    const { cluster, away } = await withOneLeftBehind()
    await using _ = cluster
    const { id: first } = await cluster.leader()
    const back = await cluster.start(away, { snapshots })
    await cluster.until(() => back.node.status().leaderId !== null, 'a leader to be heard')
    cluster.network.disconnect(first)
    await cluster.leader(first)
    cluster.network.reconnect(first)
    await cluster.agree(...numbered(0, 130))
    assert.ok(back.machine.restores >= 1)
  })

  it('is sent another image when the newest one of the leader is rotten', async () => {
    const { cluster, away } = await withOneLeftBehind()
    await using _ = cluster
    const { id: leader } = await cluster.leader()
    const folder = join(cluster.dataDir(leader), 'raft', 'snapshots')
    for (const name of await readdir(folder)) {
      await writeFile(join(folder, name, 'image'), 'something else')
    }
    const back = await cluster.start(away, { snapshots })
    await cluster.agree(...numbered(0, 130))
    assert.ok(back.machine.restores >= 1)
  })

  it('answers reads and forwards none while its state is replaced', async () => {
    const { cluster, away } = await withOneLeftBehind()
    await using _ = cluster
    const back = await cluster.start(away, { snapshots })
    await cluster.until(() => back.node.status().leaderId !== null, 'a leader to be heard')
    const read = back.node.readIndex().then((index) => ({ index, texts: back.machine.texts }))
    const { texts } = await cluster.settle(read)
    assert.deepEqual(texts.slice(0, 130), numbered(0, 130), 'the read sees all that was written')
  })
})

describe('a server whose data is damaged', () => {
  it('starts, takes no part until the others have given back what is in doubt, and then does', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write(...numbered(0, 20))
    await cluster.agree(...numbered(0, 20))
    const [away = ''] = await cluster.followers()
    await cluster.stop(away)
    await damageLog(cluster.dataDir(away))
    const back = await cluster.start(away)
    assert.equal(back.node.status().isRecovering, true)
    await cluster.until(() => !back.node.status().isRecovering, 'the damage to be repaired')
    await cluster.agree(...numbered(0, 20))
    await cluster.stop(away)
    const again = await cluster.start(away)
    assert.equal(again.node.status().isRecovering, false, 'it is over for good')
    const { id: leader } = await cluster.leader()
    await cluster.stop(leader)
    await cluster.write('it votes again')
    await cluster.agree(...numbered(0, 20), 'it votes again')
  })

  it('fetches the whole state when none of its snapshots is usable', async () => {
    await using cluster = await TestCluster.ofThree({ snapshots })
    for (let i = 0; i < 100; i += 5) await cluster.write(...numbered(i, i + 5))
    await cluster.agree(...numbered(0, 100))
    const [away = ''] = await cluster.followers()
    await cluster.until(
      () => cluster.node(away).node.status().lastSnapshotIndex > 50,
      'a snapshot of the follower',
    )
    await cluster.stop(away)
    await rm(join(cluster.dataDir(away), 'raft', 'snapshots'), { recursive: true })
    const back = await cluster.start(away, { snapshots })
    assert.equal(back.node.status().isRecovering, true)
    await cluster.write(...numbered(100, 105))
    await cluster.agree(...numbered(0, 105))
    await cluster.until(() => !back.node.status().isRecovering, 'the end of its recovery')
  })
})

describe('a snapshot on demand', () => {
  it('is of what is applied, and starts the next life', async () => {
    await using cluster = await TestCluster.create()
    const { node, machine } = await cluster.start('a', cluster.founding(['a']))
    for (const text of numbered(0, 3)) await cluster.settle(node.propose(bytes(text)))
    const taken = await cluster.settle(node.takeSnapshot())
    assert.equal(taken.index, node.status().appliedIndex)
    assert.equal(node.status().lastSnapshotIndex, taken.index)
    await cluster.stop('a')
    const again = await cluster.start('a')
    assert.equal(again.machine.restores, 1)
    assert.deepEqual(again.machine.texts, machine.texts)
  })
})

/** Rots one bit of entry 10, below everything that makes the log look whole. */
async function damageLog(dataDir: string): Promise<void> {
  const store = await openLevelStore({
    directory: join(dataDir, 'raft', 'log'),
    writeBufferBytes: 1_048_576,
  })
  const key = entryKey(0, 10)
  const value = Buffer.from((await store.get(key)) ?? assert.fail('entry 10 is there'))
  value[20] = (value[20] ?? 0) ^ 1
  await store.batch([{ kind: 'put', key, value }], { sync: true })
  await store.close()
}
