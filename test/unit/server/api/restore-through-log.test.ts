/**
 * A user's snapshot on its way through a real log into a real store (server/api/restore-through-log.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../../../core/catalog/commands.ts'
import { PIECE_SIZE, restoreThroughLog } from '../../../../server/api/restore-through-log.ts'
import { Driver, kvWrite } from '../../core/catalog/store-fixture.ts'
import { RaftAndStore } from '../raft-and-store.ts'

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** An image of more than three pieces. */
function backup(): Buffer {
  const driver = new Driver()
  const value = 'x'.repeat(2000)
  for (let i = 0; i < 200; i++) {
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite(`k${i}`, value) }))
  }
  return Buffer.from(driver.image())
}

describe('a restore through the log', () => {
  it('replaces the state and resolves when that is applied', async () => {
    await using subject = await new RaftAndStore().start()
    const { store, writer } = subject
    await subject.write(new Driver().kv({ verb: 'set', entry: kvWrite('old', 'v') }))
    const image = backup()
    const written: Command['kind'][] = []
    await restoreThroughLog(chunked(image, 3 * PIECE_SIZE + 1), {
      newId: () => 'r1',
      write: (command) => {
        written.push(command.kind)
        return writer.write(command)
      },
    })
    assert.ok(image.length > 3 * PIECE_SIZE)
    assert.deepEqual(new Set(written), new Set(['restore.begin', 'restore.piece', 'restore.end']))
    assert.equal(store.read('kv.get', { key: 'old' }).value, null)
    assert.equal(store.read('kv.list', { prefix: '' }).value.length, 200)
    assert.equal(store.read('kv.list', { prefix: '' }).index, store.lastIndex)
    assert.deepEqual(subject.fatal, [])
  })

  it('changes nothing and gives up when the image is none, its source fails or it is aborted', async () => {
    await using subject = await new RaftAndStore().start()
    const { store, writer } = subject
    await subject.write(new Driver().kv({ verb: 'set', entry: kvWrite('old', 'v') }))
    const deps = { newId: () => 'r1', write: (command: Command) => writer.write(command) }
    const image = backup()
    await assert.rejects(restoreThroughLog(chunked(image.subarray(9), 1000), deps), {
      code: 'BAD_REQUEST',
    })
    await assert.rejects(restoreThroughLog(chunked(image.subarray(0, 9000), 1000), deps), {
      code: 'BAD_REQUEST',
    })
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield image.subarray(0, 1000)
      throw new Error('the client hung up')
    }
    await assert.rejects(restoreThroughLog(failing(), deps), { message: 'the client hung up' })
    const aborted = AbortSignal.abort(new Error('enough'))
    await assert.rejects(restoreThroughLog(chunked(image, 1000), deps, aborted), {
      message: 'enough',
    })
    assert.notEqual(store.read('kv.get', { key: 'old' }).value, null)
    const text = Buffer.concat([...store.snapshot().image()]).toString()
    assert.equal(text.includes('"restore"'), false)
  })
})
