/**
 * The log in files: order, turning over by size and age, old files, a disk that fails and works again.
 */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { type FileSink, openFileSink } from '../../../../runtime/log/file-sink.ts'

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-log-'))
  try {
    await test(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function contents(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).sort()
  return await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
}

async function writeAll(sink: FileSink, lines: readonly string[]): Promise<void> {
  for (const line of lines) sink.write(line)
  await sink.flush(10_000)
}

const KEEP_ALL = { bytesMax: 0, ageMaxMs: 0, filesMax: 0 }

it('keeps lines in order', async () => {
  await withFolder(async (folder) => {
    await using sink = await openFileSink(
      { ...KEEP_ALL, path: `${folder}/` },
      { clock: systemClock },
    )
    const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`)
    await writeAll(sink, lines)
    assert.deepEqual(await contents(folder), [lines.join('')])
    assert.equal(sink.takeDropped(), 0)
  })
})

it('turns a file over by size, with whole lines, and deletes the oldest', async () => {
  await withFolder(async (folder) => {
    const clock = new ManualClock()
    const options = { ...KEEP_ALL, path: join(folder, 'a.log'), bytesMax: 10, filesMax: 1 }
    await using sink = await openFileSink(options, { clock })
    for (const line of ['123456\n', '789\n', 'second\n', 'a line longer than a file\n', 'last\n']) {
      clock.advance(1)
      await writeAll(sink, [line])
    }
    assert.deepEqual(await contents(folder), ['second\na line longer than a file\n', 'last\n'])
  })
})

it('turns a file over by age', async () => {
  await withFolder(async (folder) => {
    const clock = new ManualClock()
    const options = { ...KEEP_ALL, path: `${folder}/`, ageMaxMs: 1_000 }
    await using sink = await openFileSink(options, { clock })
    await writeAll(sink, ['old\n'])
    clock.advance(999)
    await writeAll(sink, ['still\n'])
    clock.advance(1)
    await writeAll(sink, ['new\n'])
    assert.deepEqual(await contents(folder), ['old\nstill\n', 'new\n'])
  })
})

it('counts what it could not write, and goes on when it can', async () => {
  await withFolder(async (folder) => {
    const clock = new ManualClock()
    const logs = join(folder, 'logs')
    await mkdir(logs)
    const options = { ...KEEP_ALL, path: `${logs}/`, ageMaxMs: 1 }
    await using sink = await openFileSink(options, { clock })
    await rm(logs, { recursive: true })
    clock.advance(1)
    await writeAll(sink, ['lost\n'])
    assert.equal(sink.takeDropped(), 1)
    await mkdir(logs)
    clock.advance(1)
    await writeAll(sink, ['found\n'])
    assert.deepEqual(await contents(logs), ['found\n'])
    assert.equal(sink.takeDropped(), 0)
  })
})

it('drops what waits beyond its bound', async () => {
  await withFolder(async (folder) => {
    await using sink = await openFileSink(
      { ...KEEP_ALL, path: `${folder}/` },
      { clock: systemClock },
    )
    const line = `${'x'.repeat(1024 * 1024 - 1)}\n`
    await writeAll(
      sink,
      Array.from({ length: 10 }, () => line),
    )
    const dropped = sink.takeDropped()
    const [text = ''] = await contents(folder)
    assert.ok(dropped >= 4, String(dropped))
    assert.equal(text.length, (10 - dropped) * line.length)
  })
})

it('says when there is no such folder', async () => {
  await assert.rejects(
    openFileSink({ ...KEEP_ALL, path: '/no/such/folder/' }, { clock: systemClock }),
    /ENOENT/,
  )
})
