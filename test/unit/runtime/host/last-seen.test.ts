/**
 * A server that was away for too long does not start; all others do, and say when they ran.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { LastSeen } from '../../../../runtime/host/last-seen.ts'

const HOUR_MS = 3_600_000

async function folderWith(t: TestContext, content?: string): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-seen-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  if (content !== undefined) await writeFile(join(dataDir, 'server_metadata.json'), content)
  return dataDir
}

function lastSeen(t: TestContext, dataDir: string): LastSeen {
  const options = { dataDir, ageMaxMs: 168 * HOUR_MS }
  const seen = new LastSeen(options, { clock: systemClock, log: silentLogger })
  t.after(() => seen.stop())
  return seen
}

function secondsAgo(hours: number): number {
  return Math.floor((systemClock.wall() - hours * HOUR_MS) / 1000)
}

async function written(dataDir: string): Promise<number> {
  const text = await readFile(join(dataDir, 'server_metadata.json'), 'utf8')
  return JSON.parse(text).last_seen_unix
}

test('refuses who was away for longer than allowed, and leaves the file as it was', async (t) => {
  const ago = secondsAgo(169)
  const dataDir = await folderWith(t, JSON.stringify({ last_seen_unix: ago }))
  const seen = lastSeen(t, dataDir)
  await assert.rejects(seen.start(), {
    code: 'INVALID_CONFIG',
    message: /This server last ran 169h0m\d+s ago, and server_rejoin_age_max allows 168h0m0s/,
  })
  await seen.stop()
  assert.equal(await written(dataDir), ago)
})

test('lets in who was away for less, who is new, and who has a file that says nothing', async (t) => {
  const contents = [
    undefined,
    JSON.stringify({ last_seen_unix: secondsAgo(167) }),
    JSON.stringify({ last_seen_unix: secondsAgo(-10) }),
    '',
    '[]',
    '{"last_seen_unix":"yesterday"}',
  ]
  for (const content of contents) {
    const dataDir = await folderWith(t, content)
    const seen = lastSeen(t, dataDir)
    await seen.start()
    assert.ok((await written(dataDir)) >= secondsAgo(0.1))
    await seen.stop()
  }
})

test('keeps nothing without a data directory', async (t) => {
  const seen = lastSeen(t, '')
  await seen.start()
  await seen.stop()
})
