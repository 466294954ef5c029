/**
 * Applying in a simulated server: committed entries in order, in slices and late if the run says so, and
 * restoring the state machine from an image, which may take long.
 */

import assert from 'node:assert/strict'
import type { SnapshotMeta } from '../../../core/raft/types.ts'
import type { Life } from './life.ts'
import type { SimServer } from './sim-server.ts'

export function scheduleApply(server: SimServer, life: Life): void {
  if (life.isApplying || life.restoring !== null || life.applyQueue.length === 0) return
  const { events, swarm } = server.context
  if (swarm.applyDelay === 0 || !server.isDisturbed) {
    applySlice(server, life, life.applyQueue.length)
    return
  }
  life.isApplying = true
  events.after(2 * swarm.applyDelay * server.rng.float(), () => {
    server.complete(life.boot, () => {
      life.isApplying = false
      if (life.restoring === null && life.applyQueue.length > 0) {
        applySlice(server, life, server.rng.range(1, life.applyQueue.length + 1))
      }
      scheduleApply(server, life)
    })
  })
}

/** What was to be applied at or below the image is dropped; another image may take the place of this one. */
export function beginRestore(server: SimServer, life: Life, snapshot: SnapshotMeta): void {
  life.restoring = snapshot
  life.applyQueue = life.applyQueue.filter((entry) => entry.index > snapshot.index)
  life.desk.skippedTo(snapshot.index)
  const { events, swarm, machine, oracle } = server.context
  const mean = server.isDisturbed ? swarm.restoreMean : swarm.disk.writeMean
  events.after(mean * server.rng.float(), () => {
    server.complete(life.boot, () => {
      if (life.restoring !== snapshot) return
      server.passes('image.restore.before')
      const image = server.disk.image(snapshot)
      assert.ok(image !== undefined, 'the image to restore from is kept')
      life.machine = machine.restored(image.bytes)
      oracle.restored(server.id, snapshot, life.machine)
      life.applied = snapshot.index
      server.passes('image.restore.before-told')
      life.restoring = null
      server.handle({ kind: 'applied', index: snapshot.index })
      life.desk.appliedTo(life.applied)
      scheduleApply(server, life)
    })
  })
}

function applySlice(server: SimServer, life: Life, count: number): void {
  const { oracle } = server.context
  const slice = life.applyQueue.splice(0, count)
  for (const entry of slice) {
    server.passes('apply.between')
    assert.equal(
      entry.index,
      life.applied + 1,
      `I22: ${server.id} applies each index once, in order`,
    )
    assert.ok(
      entry.index <= server.disk.lastIndex,
      `1.5: ${server.id} applies what is not durable here`,
    )
    oracle.applied(server.id, entry)
    life.applied = entry.index
    if (entry.type === 'normal') {
      const outcome = life.machine.apply(entry.index, entry.data)
      oracle.result(server.id, entry.index, outcome)
      life.desk.applied(entry, outcome)
    }
  }
  const last = slice.at(-1)
  if (last === undefined) return
  server.passes('apply.before-told')
  server.handle({ kind: 'applied', index: last.index })
  life.desk.appliedTo(life.applied)
  life.snapshots.applied(slice.length)
}
