/**
 * The process that crash.test.ts kills: writes numbers through a real RaftNode and prints each that was acknowledged.
 *
 * Arguments: data directory, first number. Several writers at a time, so that kills hit shared batches.
 */

import { writeSync } from 'node:fs'
import { diskRaftStorage } from '../../../../runtime/storage/raft-storage.ts'
import { makeNode, never } from './node-bench.ts'

const [directory, first] = process.argv.slice(2)
if (directory === undefined || first === undefined) throw new Error('usage: directory first')

const { node, machine } = makeNode(diskRaftStorage(directory), {
  snapshots: { thresholdEntries: 150, intervalMs: 0, trailingEntries: 20 },
})
await node.start(never())
writeSync(1, `restored ${JSON.stringify(machine.texts)}\n`)
let next = Number(first)
const writer = async (): Promise<void> => {
  for (;;) {
    const text = `w${next++}`
    await node.propose(Buffer.from(text))
    // Synchronous: what was printed is in the pipe, whatever happens to this process.
    writeSync(1, `ack ${text}\n`)
  }
}
await Promise.all([writer(), writer(), writer(), writer()])
