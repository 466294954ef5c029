/**
 * Replacing the whole state by a user's snapshot through the log (restore.ts, staged-restore.ts).
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Command } from '../../../../core/catalog/commands.ts'
import type { FeedFrame } from '../../../../core/catalog/feed.ts'
import {
  RESTORE_ABANDONED_MS,
  RESTORE_IDLE_MS,
  RESTORE_PIECE_SIZE_MAX,
} from '../../../../core/catalog/staged-restore.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { wallTime } from '../../../../core/time.ts'
import { check, Driver, imageText, kvWrite, service, session } from './store-fixture.ts'

/** A state worth restoring, at index 6. */
function backup(): Driver {
  const driver = new Driver()
  driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
  driver.ok(driver.register('n1', { checks: [check('c', 'passing')] }))
  driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
  driver.ok(driver.kv({ verb: 'lock', entry: kvWrite('a', 'old', { session: 's1' }) }))
  driver.ok({ kind: 'config.set', entryKind: 'mesh', name: 'mesh', body: { a: 1 } })
  driver.ok({ kind: 'ca.serial.take', count: 3 })
  return driver
}

function bytesOf(store: StateStore): Buffer {
  return Buffer.concat([...store.snapshot().image()])
}

function commandsFor(image: Uint8Array, pieceSize: number, now = 1_700_000_000_000): Command[] {
  const commands: Command[] = [{ kind: 'restore.begin', id: 'r1', now: wallTime(now) }]
  for (let offset = 0; offset < image.length; offset += pieceSize) {
    const bytes = Uint8Array.from(image.subarray(offset, offset + pieceSize))
    commands.push({ kind: 'restore.piece', id: 'r1', offset, bytes, now: wallTime(now) })
  }
  const digest = createHash('sha256').update(image).digest('hex')
  commands.push({
    kind: 'restore.end',
    id: 'r1',
    sizeBytes: image.length,
    digest,
    now: wallTime(now),
  })
  return commands
}

/** The lines of an image but the header, meta and the last. */
function tablesOf(store: StateStore): readonly string[] {
  return imageText(store).split('\n').slice(2, -2)
}

describe('restoring a snapshot through the log', () => {
  it('replaces every table at one index and keeps every index going on', () => {
    const image = bytesOf(backup().store)
    const driver = new Driver()
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('gone', 'x') }))
    for (let i = 0; i < 20; i++) driver.ok(driver.kv({ verb: 'set', entry: kvWrite('a', `${i}`) }))
    driver.ok({ kind: 'ca.serial.take', count: 10 })
    const commands = commandsFor(image, 100)
    for (const command of commands.slice(0, -1)) driver.ok(command)
    assert.equal(driver.read('kv.get', { key: 'gone' })?.key, 'gone', 'nothing is seen before')
    const before = driver.indexOf('kv.list', { prefix: '' })
    driver.ok(commands.at(-1) as Command)

    assert.equal(driver.read('kv.get', { key: 'gone' }), null)
    const entry = driver.read('kv.get', { key: 'a' })
    assert.equal(Buffer.from(entry?.value ?? []).toString(), 'old')
    assert.equal(entry?.modifyIndex, 4, 'records keep their indexes')
    assert.deepEqual(tablesOf(driver.store), tablesOf(backup().store))
    for (const index of [
      driver.indexOf('kv.get', { key: 'a' }),
      driver.indexOf('kv.get', { key: 'gone' }),
      driver.indexOf('kv.list', { prefix: '' }),
      driver.indexOf('health.service', { service: 'web' }),
      driver.indexOf('catalog.node', { node: 'n1' }),
      driver.indexOf('session.list', { node: 'n1' }),
    ]) {
      assert.equal(index, driver.index)
      assert.ok(index > before)
    }
    assert.equal(driver.ok({ kind: 'ca.serial.take', count: 1 }), 11, 'no serial number twice')
  })

  it('wakes who waits and gives every feed a new snapshot', () => {
    const image = bytesOf(backup().store)
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    const commands = commandsFor(image, RESTORE_PIECE_SIZE_MAX)
    let woken = 0
    const frames: FeedFrame[] = []
    store.watchOnce(store.read('kv.get', { key: 'never' }).watch, () => {
      woken += 1
    })
    store.follow({ topic: 'health', key: 'web' }, undefined, (frame) => frames.push(frame))
    for (const command of commands.slice(0, -1)) driver.ok(command)
    assert.deepEqual([woken, frames.length], [0, 1])
    driver.ok(commands.at(-1) as Command)
    assert.equal(woken, 1)
    assert.equal(frames[1]?.kind, 'snapshot')
    assert.equal(frames[1]?.index, driver.index)
    assert.equal(frames[1]?.kind === 'snapshot' && frames[1].items.length, 1)
  })

  it('leaves the same on a server that restarts in the middle, wherever that is', () => {
    const image = bytesOf(backup().store)
    const commands = commandsFor(image, 300)
    const whole = new Driver()
    for (const command of commands) whole.apply(command)
    const expected = whole.image()
    for (let stop = 1; stop < commands.length; stop++) {
      const first = new Driver()
      for (const command of commands.slice(0, stop)) first.ok(command)
      const second = new StateStore({ datacenter: 'dc1' })
      second.restore(first.store.snapshot().image())
      assert.equal(imageText(second), first.image())
      const rest = new Driver(second)
      for (const command of commands.slice(stop)) rest.ok(command)
      assert.equal(rest.image(), expected, `stopped after ${stop}`)
    }
  })

  it('changes nothing for what is damaged, and can begin anew', () => {
    const image = bytesOf(backup().store)
    const cut = image.subarray(0, image.length - 5)
    const odd = Buffer.from(image)
    odd.write('edon', odd.indexOf('"node"') + 1)
    const newer = Buffer.from(image)
    newer.write('9', newer.indexOf(' 6\n') + 1)
    const cases: readonly (readonly [string, Buffer])[] = [
      ['BAD_REQUEST', cut],
      ['BAD_REQUEST', odd],
      ['BAD_REQUEST', Buffer.from('PK\u0003\u0004 no image at all\n')],
      ['NOT_SUPPORTED', newer],
    ]
    for (const [code, bad] of cases) {
      const driver = new Driver()
      driver.ok(driver.kv({ verb: 'set', entry: kvWrite('k', 'v') }))
      const tables = tablesOf(driver.store)
      const results = commandsFor(bad, 200).map((command) => driver.apply(command))
      const failed = results.filter((result) => !result.ok)
      assert.equal(failed[0]?.code, code)
      assert.deepEqual(tablesOf(driver.store), tables)
      for (const command of commandsFor(image, 1000)) driver.ok(command)
      assert.equal(driver.read('kv.get', { key: 'k' }), null)
    }
  })

  it('refuses a wrong size and a wrong digest', () => {
    const image = bytesOf(backup().store)
    for (const wrong of [{ sizeBytes: 1 }, { digest: '00' }]) {
      const driver = new Driver()
      const commands = commandsFor(image, 1000)
      for (const command of commands.slice(0, -1)) driver.ok(command)
      const result = driver.apply({ ...(commands.at(-1) as Command), ...wrong } as Command)
      assert.ok(!result.ok && result.code === 'BAD_REQUEST')
      assert.equal(driver.image().includes('"restore"'), false, 'what was staged is gone')
    }
  })

  it('takes a piece that comes twice once, and none out of order or too large', () => {
    const image = bytesOf(backup().store)
    const driver = new Driver()
    const commands = commandsFor(image, 500)
    const piece = (i: number) => commands[i] as Command & { kind: 'restore.piece' }
    driver.ok(commands[0] as Command)
    driver.ok(piece(1))
    driver.ok(piece(1))
    assert.equal(driver.refused(piece(3)), 'the restore goes on at 500, not at 1000')
    const bytes = new Uint8Array(RESTORE_PIECE_SIZE_MAX + 1)
    const large = driver.apply({ ...piece(2), bytes })
    assert.ok(!large.ok && large.code === 'TOO_LARGE')
    assert.equal(driver.refused({ ...piece(2), id: 'r2' }), 'no restore "r2" is under way')
    for (const command of commands.slice(2)) driver.ok(command)
    assert.deepEqual(tablesOf(driver.store), tablesOf(backup().store))
  })

  it('is one at a time; an abandoned one gives way and is forgotten', () => {
    const driver = new Driver()
    const begin = (id: string) =>
      driver.apply({ kind: 'restore.begin', id, now: wallTime(driver.now) })
    const isStaged = () => driver.image().includes('"restore"')
    assert.ok(begin('r1').ok)
    driver.now += RESTORE_ABANDONED_MS
    const early = begin('r2')
    assert.ok(!early.ok && early.code === 'REJECTED')
    driver.now += 1
    assert.ok(begin('r2').ok)
    driver.ok({ kind: 'restore.abort', id: 'r1' })
    assert.ok(isStaged())
    driver.ok({ kind: 'restore.abort', id: 'r2' })
    assert.ok(!isStaged())
    assert.ok(begin('r3').ok)
    driver.now += RESTORE_IDLE_MS + 1
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('a', 'b') }))
    assert.ok(!isStaged(), 'nothing came for ten minutes')
  })

  it('keeps which requests were applied, and takes none from the snapshot', () => {
    const named = (seq: number) => ({ origin: 'a', boot: 'b', seq })
    const old = backup()
    old.store.apply(old.index + 1, { kind: 'noop' }, named(7))
    const image = bytesOf(old.store)
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    store.apply(1, driver.kv({ verb: 'set', entry: kvWrite('a', 'x') }), named(1))
    for (const [i, command] of commandsFor(image, 1000).entries()) {
      assert.ok(store.apply(2 + i, command).ok)
    }
    const index = store.lastIndex
    const again = store.apply(
      index + 1,
      driver.kv({ verb: 'set', entry: kvWrite('a', 'x') }),
      named(1),
    )
    assert.deepEqual(again, { ok: true, value: true, replayOf: 1 })
    assert.deepEqual(store.apply(index + 2, { kind: 'noop' }, named(7)), { ok: true, value: true })
  })

  it('leaves a restore that was under way out of what it restores', () => {
    const old = backup()
    const inner = bytesOf(backup().store)
    for (const command of commandsFor(inner, 400).slice(0, 3)) old.ok(command)
    const driver = new Driver()
    for (const command of commandsFor(bytesOf(old.store), 1000)) driver.ok(command)
    assert.equal(driver.image().includes('"restore"'), false)
    assert.deepEqual(tablesOf(driver.store), tablesOf(backup().store))
  })
})
