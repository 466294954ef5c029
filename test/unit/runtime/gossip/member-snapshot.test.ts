/**
 * The file of known members: what was noted is read again, whatever became of the file meanwhile.
 */

import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import {
  MemberSnapshot,
  parseMemberSnapshot,
  readMemberSnapshot,
} from '../../../../runtime/gossip/member-snapshot.ts'

const deps = { clock: new ManualClock(), log: silentLogger }

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-members-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function opened(path: string): Promise<MemberSnapshot> {
  return new MemberSnapshot(path, await readMemberSnapshot(path, silentLogger), deps)
}

test('members, clocks and leaving survive; the file is private', async (t) => {
  const path = join(await folder(t), 'serf', 'local.snapshot')
  const first = await opened(path)
  first.noteAlive('a', { address: '10.0.0.1', port: 8301 })
  first.noteAlive('b', { address: '::1', port: 9 })
  first.noteAlive('name with spaces: odd', { address: '10.0.0.3', port: 1 })
  first.noteGone('a')
  first.noteClocks({ lamportTime: 7, eventTime: 12, queryTime: 2 }, 3)
  await first.close()
  const known = await readMemberSnapshot(path, silentLogger)
  assert.deepEqual([...known.alive.keys()], ['b', 'name with spaces: odd'])
  assert.deepEqual(known.alive.get('b'), { address: '::1', port: 9 })
  assert.deepEqual([known.lamportTime, known.incarnation, known.hasLeft], [7, 3, false])
  assert.deepEqual([known.eventTime, known.queryTime], [12, 2])
  assert.equal((await stat(path)).mode & 0o777, 0o600)

  const second = await opened(path)
  second.noteLeave()
  await second.close()
  assert.equal((await readMemberSnapshot(path, silentLogger)).hasLeft, true)

  const third = await opened(path)
  third.noteClocks({ lamportTime: 8, eventTime: 12, queryTime: 2 }, 20)
  await third.close()
  assert.equal((await readMemberSnapshot(path, silentLogger)).hasLeft, false, 'it runs again')
})

test('a torn last line and lines of others are passed over', () => {
  const text =
    'alive: 10.0.0.1:8301 a\nnonsense\nalive: nowhere b\nalive: 10.0.0.2:1\nclock: x\nclock: 5\nnot-alive: a'
  const known = parseMemberSnapshot(text)
  assert.deepEqual([...known.alive.keys()], ['a'])
  assert.equal(known.lamportTime, 5)
})

test('any text is read without an error', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'alive: ',
      'clock: 99999999999999999999',
      'incarnation: -1',
      'leave',
      'not-alive: ',
    ),
  )
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { lamportTime, incarnation } = parseMemberSnapshot(lines.join('\n'))
      assert.ok(Number.isSafeInteger(lamportTime) && Number.isSafeInteger(incarnation))
    }),
  )
})

test('the file is rewritten when it has grown beyond what its members need', async (t) => {
  const path = join(await folder(t), 'local.snapshot')
  const snapshot = await opened(path)
  snapshot.noteAlive('stays', { address: '10.0.0.1', port: 1 })
  const clock = deps.clock
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 50; i++) {
      snapshot.noteAlive(`m${i}-${'x'.repeat(100)}`, { address: '10.0.0.2', port: round + 1 })
    }
    clock.advance(500)
    snapshot.noteClocks({ lamportTime: round + 1, eventTime: 0, queryTime: 0 }, 1)
    await flushed(path, `clock: ${round + 1}\n`, clock)
  }
  await snapshot.close()
  const { size } = await stat(path)
  assert.ok(size < 150 * 1024, `${size} bytes`)
  assert.equal((await readMemberSnapshot(path, silentLogger)).alive.size, 51)
})

test('a file that cannot be read or written is no error: gossip does without', async (t) => {
  const path = join(await folder(t), 'local.snapshot')
  await mkdir(path)
  const snapshot = await opened(path)
  snapshot.noteAlive('a', { address: '10.0.0.1', port: 1 })
  await snapshot.close()
  assert.equal((await stat(path)).isDirectory(), true)
})

test('what another wrote after a crash in the middle of a line does not join its lines', async (t) => {
  const path = join(await folder(t), 'local.snapshot')
  await writeFile(path, 'alive: 10.0.0.1:1 a\nalive: 10.0')
  const snapshot = await opened(path)
  snapshot.noteAlive('b', { address: '10.0.0.2', port: 2 })
  await snapshot.close()
  await appendFile(path, '')
  assert.deepEqual([...(await readMemberSnapshot(path, silentLogger)).alive.keys()], ['a', 'b'])
})

/** Advances the clock until the file holds `line`. */
async function flushed(path: string, line: string, clock: ManualClock): Promise<void> {
  for (;;) {
    clock.advance(500)
    const text = await readFile(path, 'utf8').catch(() => '')
    if (text.includes(line)) return
  }
}
