/**
 * Order, coalescing and release of messages between the core and the disk (duties 1 and 2 of the core).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import type { RaftMessage } from '../../../../core/raft/messages.ts'
import {
  type AppendJob,
  appendToken,
  type Batch,
  logIndex,
  serverId,
  term,
} from '../../../../core/raft/types.ts'
import { AppendPipeline, WRITE_BYTES_MAX } from '../../../../server/raft/append-pipeline.ts'

const entry = (bytes: number) =>
  chainedEntry(CHAIN_START, {
    index: logIndex(1),
    term: term(1),
    type: 'normal',
    data: new Uint8Array(bytes),
  })

function jobOf(token: number, bytes = 1): AppendJob {
  const hardState = { term: term(1), vote: null, commit: logIndex(0) }
  const entries = [entry(bytes)]
  const last = entry(bytes)
  return {
    token: appendToken(token),
    truncateFrom: null,
    entries,
    hardState,
    last,
    snapshot: null,
  }
}

const beat = (to: string): RaftMessage => ({
  kind: 'heartbeat-ack',
  from: serverId('a'),
  to: serverId(to),
  term: term(1),
  readSeq: 0,
  leaseSeq: 0,
  isRecovering: false,
})

class Rig {
  readonly writes: number[][] = []
  readonly sent: string[] = []
  readonly pipeline = new AppendPipeline({
    write: (jobs) => this.writes.push(jobs.map((job) => job.token)),
    send: (message) => this.sent.push(message.to),
  })

  push(fields: { job?: AppendJob; now?: string; after?: string; afterToken?: number }): void {
    const batch: Pick<Batch, 'job' | 'messages' | 'messagesAfterAppend' | 'afterToken'> = {
      job: fields.job ?? null,
      messages: fields.now === undefined ? [] : [beat(fields.now)],
      messagesAfterAppend: fields.after === undefined ? [] : [beat(fields.after)],
      afterToken: appendToken(fields.afterToken ?? fields.job?.token ?? 0),
    }
    this.pipeline.push(batch)
  }
}

describe('the append pipeline', () => {
  it('runs one write at a time and lets what queued up share the next', () => {
    const rig = new Rig()
    assert.ok(rig.pipeline.isIdle)
    for (const token of [1, 2, 3]) rig.push({ job: jobOf(token) })
    assert.deepEqual(rig.writes, [[1]])
    assert.deepEqual(rig.pipeline.finished(), [1])
    assert.deepEqual(rig.writes, [[1], [2, 3]])
    assert.ok(!rig.pipeline.isIdle)
    assert.deepEqual(rig.pipeline.finished(), [2, 3])
    assert.ok(rig.pipeline.isIdle)
    assert.throws(() => rig.pipeline.finished())
  })

  it('holds a message until its job is durable, and sends others at once', () => {
    const rig = new Rig()
    rig.push({ job: jobOf(1), now: 'now', after: 'after 1' })
    rig.push({ after: 'also after 1', afterToken: 1 })
    rig.push({ job: jobOf(2), after: 'after 2' })
    assert.deepEqual(rig.sent, ['now'])
    rig.pipeline.finished()
    assert.deepEqual(rig.sent, ['now', 'after 1', 'also after 1'])
    rig.pipeline.finished()
    assert.deepEqual(rig.sent, ['now', 'after 1', 'also after 1', 'after 2'])
    rig.push({ after: 'nothing to wait for', afterToken: 2 })
    assert.equal(rig.sent.at(-1), 'nothing to wait for')
  })

  it('keeps a write within its limits, unless one job alone is larger', () => {
    const rig = new Rig()
    rig.push({ job: jobOf(1) })
    rig.push({ job: jobOf(2, WRITE_BYTES_MAX + 1) })
    rig.push({ job: jobOf(3, WRITE_BYTES_MAX) })
    rig.push({ job: jobOf(4, 1) })
    for (let i = 0; i < 4; i++) rig.pipeline.finished()
    assert.deepEqual(rig.writes, [[1], [2], [3], [4]])
  })
})
