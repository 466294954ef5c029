/**
 * kill -9 at random moments: whatever was acknowledged is there after the restart, once and in order.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { diskRaftStorage } from '../../../../runtime/storage/raft-storage.ts'
import { makeNode, never } from './node-bench.ts'

const ROUNDS = 8
const CHILD = join(import.meta.dirname, 'crash-child.ts')

interface Life {
  readonly restored: readonly string[]
  readonly acknowledged: readonly string[]
}

/** Runs the writer until it has acknowledged `acks` writes and a little more, then kills it. */
async function liveAndDie(directory: string, first: number, acks: number): Promise<Life> {
  const child = spawn(process.execPath, [CHILD, directory, String(first)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.split('\nack ').length > acks) child.kill('SIGKILL')
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  await new Promise((resolve) => child.once('close', resolve))
  assert.equal(child.signalCode, 'SIGKILL', errors)
  // The last line may have been cut by the kill: an acknowledgement that nobody has read.
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
  const restored = lines.find((line) => line.startsWith('restored '))
  assert.ok(restored !== undefined, errors)
  const acknowledged = lines.filter((line) => line.startsWith('ack ')).map((line) => line.slice(4))
  return { restored: JSON.parse(restored.slice('restored '.length)), acknowledged }
}

function assertHeld(acknowledged: ReadonlySet<string>, texts: readonly string[]): void {
  const held = new Set(texts)
  assert.equal(held.size, texts.length, 'nothing is applied twice')
  for (const text of acknowledged) assert.ok(held.has(text), `acknowledged ${text} is lost`)
}

describe('a server that is killed at any moment', () => {
  it('has every acknowledged write after the restart', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-crash-'))
    const rng = seededRng(Number(process.env['FAIRLEAD_SEED'] ?? 20_260))
    const acknowledged = new Set<string>()
    let previous: readonly string[] = []
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const life = await liveAndDie(directory, round * 1_000_000, rng.range(1, 400))
        assertHeld(acknowledged, life.restored)
        assert.deepEqual(life.restored.slice(0, previous.length), previous, 'history never changes')
        previous = life.restored
        for (const text of life.acknowledged) acknowledged.add(text)
      }
      const last = makeNode(diskRaftStorage(directory))
      await last.node.start(never())
      assertHeld(acknowledged, last.machine.texts)
      t.diagnostic(`${acknowledged.size} writes acknowledged over ${ROUNDS} kills`)
      await last.node.stop()
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
