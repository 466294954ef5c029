/**
 * Key-value stores on LevelDB and in memory, and the errors of opening one.
 */

import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import { seededRng } from '../../../../core/rng.ts'
import { tableFault } from '../../../../runtime/storage/check-tables.ts'
import type { KeyValueStore } from '../../../../runtime/storage/key-value-store.ts'
import { tablesOf } from '../../../../runtime/storage/level-manifest.ts'
import { openLevelStore } from '../../../../runtime/storage/level-store.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-level-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})

const key = (text: string): Buffer => Buffer.from(text)

const STORES: [string, () => Promise<KeyValueStore>][] = [
  ['level', () => openLevelStore({ directory: join(root, 'contract') })],
  ['memory', async () => new MemoryStore()],
]

for (const [name, make] of STORES) {
  describe(`a key-value store on ${name}`, () => {
    it('executes a batch in order and scans in order of bytes', async () => {
      const store = await make()
      await store.batch(
        [
          { kind: 'put', key: Buffer.from([0xff, 1]), value: key('high') },
          { kind: 'put', key: key('b'), value: key('old') },
          { kind: 'delete', key: key('b') },
          { kind: 'put', key: key('b'), value: key('new') },
          { kind: 'put', key: key('a'), value: key('gone') },
          { kind: 'delete', key: key('a') },
        ],
        { sync: true },
      )
      assert.equal(await store.get(key('a')), undefined)
      assert.equal(Buffer.from((await store.get(key('b'))) ?? []).toString(), 'new')
      const seen: string[] = []
      for await (const page of store.scan({ from: key('a'), to: Buffer.from([0xff, 2]) })) {
        for (const [, value] of page) seen.push(Buffer.from(value).toString())
      }
      assert.deepEqual(seen, ['new', 'high'])
      await store.close()
    })

    it('scans in pages and stops when the reader does', async () => {
      const store = await make()
      const rows = Array.from({ length: 2_300 }, (_, i) => `k${String(i).padStart(5, '0')}`)
      const puts = rows.map((row) => ({ kind: 'put', key: key(row), value: key(row) }) as const)
      await store.batch(puts, { sync: false })
      const sizes: number[] = []
      for await (const page of store.scan({ from: key('k'), to: key('l') })) sizes.push(page.length)
      assert.deepEqual(sizes, [1_000, 1_000, 300])
      for await (const page of store.scan({ from: key('k'), to: key('l') })) {
        assert.equal(page.length, 1_000)
        break
      }
      await store.close()
      await store.close()
    })
  })
}

/** The bytes of a table that holds a few hundred rows. */
async function tableOf(directory: string): Promise<Buffer> {
  const store = await openLevelStore({ directory, writeBufferBytes: 65_536 })
  for (let i = 0; i < 400; i++) {
    const value = Buffer.alloc(300, i)
    await store.batch([{ kind: 'put', key: key(`k${i}`), value }], { sync: false })
  }
  await store.close()
  await (await openLevelStore({ directory })).close()
  const name = (await readdir(directory)).find((file) => file.endsWith('.ldb'))
  assert.ok(name !== undefined)
  return await readFile(join(directory, name))
}

describe('opening a level store', () => {
  it('says clearly that another agent has the directory', async () => {
    const directory = join(root, 'locked')
    const first = await openLevelStore({ directory })
    const err = await openLevelStore({ directory }).catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.equal(err.code, 'STORAGE_FAILED')
    assert.match(err.message, /another agent uses this data directory$/)
    await first.close()
    await (await openLevelStore({ directory })).close()
  })

  it('refuses to begin anew beside the files of a database', async () => {
    const directory = join(root, 'headless')
    await tableOf(directory)
    await rm(join(directory, 'CURRENT'))
    const before = await readdir(directory)
    await assert.rejects(openLevelStore({ directory }), { code: 'STORAGE_CORRUPT' })
    assert.deepEqual(await readdir(directory), before)
  })

  it('begins anew where the first beginning was cut off', async () => {
    const unnamed = ['LOCK', 'LOG', 'MANIFEST-000001', '000001.dbtmp']
    const named = ['CURRENT', 'LOCK', 'LOG', 'MANIFEST-000001', '000003.log', 'MANIFEST-000002']
    for (const [i, names] of [unnamed, named, ['000003.log', 'LOCK']].entries()) {
      for (const manifest of [Buffer.alloc(0), Buffer.alloc(50)]) {
        const directory = join(root, `unborn-${i}-${manifest.length}`)
        await mkdir(directory)
        for (const name of names) await writeFile(join(directory, name), '')
        await writeFile(join(directory, 'MANIFEST-000001'), manifest)
        if (names.includes('CURRENT')) {
          await writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n')
        }
        await (await openLevelStore({ directory })).close()
      }
    }
  })

  it('does not begin anew what held a row, nor what another process has open', async () => {
    const directory = join(root, 'born')
    const store = await openLevelStore({ directory })
    await assert.rejects(openLevelStore({ directory }), { code: 'STORAGE_FAILED' })
    assert.ok((await readdir(directory)).includes('CURRENT'))
    await store.batch([{ kind: 'put', key: key('k'), value: key('v') }], { sync: true })
    await store.close()
    const current = await readFile(join(directory, 'CURRENT'), 'utf8')
    await writeFile(join(directory, current.trimEnd()), '')
    await assert.rejects(openLevelStore({ directory }), { code: 'STORAGE_CORRUPT' })
  })

  it('refuses tables that the database would not survive, and no others', async () => {
    const table = await tableOf(join(root, 'tables'))
    assert.equal(tableFault(table), null)
    const rng = seededRng(1)
    let refused = 0
    for (let i = 0; i < 3_000; i++) {
      const damaged = Buffer.from(
        table.subarray(0, i % 3 === 0 ? rng.range(0, table.length) : undefined),
      )
      for (let hits = rng.range(0, 4); hits > 0 && damaged.length > 0; hits--) {
        damaged[rng.range(0, damaged.length)] = rng.range(0, 256)
      }
      if (tableFault(damaged) !== null) refused++
    }
    assert.ok(refused > 1_000 && refused < 3_000, `${refused} refused`)
  })

  it('ignores a table that was being written when the power went, and no other', async () => {
    const directory = join(root, 'half-written')
    await tableOf(directory)
    const tables = async (): Promise<string[]> =>
      (await readdir(directory)).filter((file) => file.endsWith('.ldb'))
    const used = await tables()
    await writeFile(join(directory, '000999.ldb'), 'half a table')
    const store = await openLevelStore({ directory })
    assert.equal((await store.get(key('k7')))?.length, 300)
    await store.close()
    assert.deepEqual(await tables(), used, 'the database removes it')
    await writeFile(join(directory, String(used[0])), 'half a table')
    await assert.rejects(openLevelStore({ directory }), { code: 'STORAGE_CORRUPT' })
  })

  it('knows which tables are used, whatever became of the end of the manifest', async () => {
    const directory = join(root, 'manifest')
    await tableOf(directory)
    const names = await readdir(directory)
    const manifest = await readFile(
      join(directory, String(names.find((name) => name.startsWith('MANIFEST-')))),
    )
    const used = names
      .filter((name) => name.endsWith('.ldb'))
      .map((name) => Number.parseInt(name, 10))
    assert.deepEqual([...(tablesOf(manifest) ?? [])].sort(), used.sort())
    assert.deepEqual(tablesOf(Buffer.concat([manifest, Buffer.alloc(500)])), tablesOf(manifest))
    for (let end = manifest.length - 1; end >= 0; end--) {
      const found = tablesOf(manifest.subarray(0, end))
      assert.ok(found !== null && [...found].every((table) => Number.isInteger(table)), String(end))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        tablesOf(Buffer.from(bytes))
      }),
    )
  })

  it('says what is wrong with a directory that it cannot use', async () => {
    const file = join(root, 'a-file')
    await writeFile(file, 'not a directory')
    const inFile = await openLevelStore({ directory: join(file, 'log') }).catch((e: unknown) => e)
    assert.ok(inFile instanceof FairleadError)
    assert.match(inFile.message, /Failed to create directory/)
    const directory = join(root, 'damaged')
    await (await openLevelStore({ directory })).close()
    await writeFile(join(directory, 'CURRENT'), 'nonsense')
    await chmod(join(directory, 'CURRENT'), 0o600)
    const damaged = await openLevelStore({ directory }).catch((e: unknown) => e)
    assert.ok(damaged instanceof FairleadError)
    assert.match(damaged.message, /Failed to open ".*damaged": /)
  })
})
