/**
 * Damage to every file of a stopped server's log (verification 23.3), judged by what the next start says.
 *
 * Allowed: the same state (damage in unused bytes), a proven prefix that calls itself recovering, or a clear
 * refusal. A silent difference fails. By default 2,000 cases in an order from the seed, or as many as fit
 * into 20 s; FAIRLEAD_SWEEP=all runs every one.
 */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FairleadError } from '../../../core/errors.ts'
import { seededRng } from '../../../core/rng.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { openLevelStore } from '../../../runtime/storage/level-store.ts'
import type { LogVerdict, StoredLog } from '../../../runtime/storage/log-store.ts'
import { RaftLogStore } from '../../../runtime/storage/raft-log-store.ts'
import { WitnessFile } from '../../../runtime/storage/witness-file.ts'
import { IDENTITY, LogWorkload, OWNER } from './log-workload.ts'

const SEED = Number(process.env['FAIRLEAD_SEED'] ?? 20_262)
const IS_COMPLETE = process.env['FAIRLEAD_SWEEP'] === 'all'
const CASES_MAX = IS_COMPLETE ? Number.POSITIVE_INFINITY : 1_000
const BUDGET_MS = IS_COMPLETE ? Number.POSITIVE_INFINITY : 10_000
const STEPS = 150
const OLDER_STEPS = 120
const BLOCK = 4_096
const WITNESS = 'raft.seq'

/** Most of what is on disk is of use, so that most damage matters. */
const newWorkload = (): LogWorkload => new LogWorkload(SEED, { installsUntil: 30 })

/** Name (relative to the data directory) and content of each file. */
type Files = ReadonlyMap<string, Buffer>

interface Case {
  readonly what: string
  /** Made when it is wanted: all together would not fit into memory. */
  readonly files: () => Files
}

let root = ''
before(async () => {
  // In memory where there is such a place: thousands of starts sync files that nobody needs.
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  root = await mkdtemp(join(base, 'fairlead-sweep-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})

async function openLog(directory: string, writeBufferBytes: number): Promise<RaftLogStore> {
  const store = await openLevelStore({ directory: join(directory, 'log'), writeBufferBytes })
  const file = new WitnessFile(join(directory, WITNESS), systemClock)
  return new RaftLogStore(store, { file, owner: OWNER })
}

/** The files after some steps and a clean stop. */
async function filesAfter(steps: number, writeBufferBytes: number): Promise<Files> {
  const directory = await mkdtemp(join(root, 'written-'))
  const log = await openLog(directory, writeBufferBytes)
  await log.load()
  const workload = newWorkload()
  while (workload.step < steps) {
    const job = workload.next()
    if (workload.step === 1) await log.initialize(IDENTITY, job)
    else await log.append([job])
    if (workload.step === 40) await workload.compact(log)
  }
  await log.saveCommitHint(workload.hardState.commit)
  await log.close()
  return await readFiles(directory)
}

async function readFiles(directory: string): Promise<Files> {
  const files = new Map<string, Buffer>()
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK' || entry.name.startsWith('LOG')) continue
    const path = join(entry.parentPath, entry.name)
    files.set(path.slice(directory.length + 1), await readFile(path))
  }
  return files
}

async function startOn(
  files: Files,
  writeBufferBytes: number,
): Promise<LogVerdict | FairleadError> {
  const directory = await mkdtemp(join(root, 'case-'))
  await mkdir(join(directory, 'log'))
  for (const [name, content] of files) await writeFile(join(directory, name), content)
  try {
    const log = await openLog(directory, writeBufferBytes)
    try {
      return await log.load()
    } finally {
      await log.close()
    }
  } catch (thrown) {
    if (thrown instanceof FairleadError) return thrown
    throw thrown
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function withFile(files: Files, name: string, content: Buffer | null): Files {
  const changed = new Map(files)
  if (content === null) changed.delete(name)
  else changed.set(name, content)
  return changed
}

function* casesOf(files: Files, older: Files): Iterable<Case> {
  for (const [name, content] of files) {
    const damaged = (what: string, damage: (bytes: Buffer) => Buffer): Case => ({
      what: `${name}: ${what}`,
      files: () => withFile(files, name, damage(Buffer.from(content))),
    })
    for (let at = 0; at < content.length; at += at < 64 ? 1 : 64) {
      yield damaged(`bit ${at % 8} of byte ${at} flipped`, (bytes) => {
        bytes[at] = (bytes[at] as number) ^ (1 << (at % 8))
        return bytes
      })
    }
    for (let i = 0; i < 24; i++) {
      const length = Math.floor((content.length * i) / 24)
      yield damaged(`cut to ${length} bytes`, (bytes) => bytes.subarray(0, length))
    }
    for (let at = 0; at < content.length; at += BLOCK) {
      yield damaged(`block at ${at} zeroed`, (bytes) => zeroed(bytes, at))
      const other = (at + 3 * BLOCK) % (Math.ceil(content.length / BLOCK) * BLOCK)
      yield damaged(`blocks at ${at} and ${other} swapped`, (bytes) => swapped(bytes, at, other))
    }
    yield damaged('garbage appended', (bytes) => Buffer.concat([bytes, Buffer.alloc(5_000, 'x')]))
    yield { what: `${name}: gone`, files: () => withFile(files, name, null) }
    const old = older.get(name)
    if (old !== undefined) {
      yield { what: `${name}: of an older copy`, files: () => withFile(files, name, old) }
    }
  }
  const seq = files.get(WITNESS) ?? null
  yield { what: 'all but the witness of an older copy', files: () => withFile(older, WITNESS, seq) }
  yield { what: 'all but the witness gone', files: () => withFile(new Map(), WITNESS, seq) }
}

function zeroed(bytes: Buffer, at: number): Buffer {
  return bytes.fill(0, at, Math.min(bytes.length, at + BLOCK))
}

function swapped(bytes: Buffer, at: number, other: number): Buffer {
  const first = Buffer.from(bytes.subarray(at, at + BLOCK))
  const second = Buffer.from(bytes.subarray(other, other + BLOCK))
  const length = Math.min(first.length, second.length)
  bytes.set(second.subarray(0, length), at)
  bytes.set(first.subarray(0, length), other)
  return bytes
}

/** @throws AssertionError for a silent difference */
function classify(verdict: LogVerdict | FairleadError, whole: LogWorkload, what: string): string {
  if (verdict instanceof FairleadError) {
    assert.match(verdict.code, /^STORAGE_(?:CORRUPT|FAILED)$/, what)
    return 'refused'
  }
  switch (verdict.kind) {
    case 'consistent': {
      const difference = whole.difference(verdict.log)
      assert.equal(difference, null, `silent difference: ${what}: ${difference}`)
      return 'identical'
    }
    case 'recovering':
      assertPrefix(verdict.log, what)
      assert.ok(verdict.damagedTo >= whole.last.index, `${what}: owes only to ${verdict.damagedTo}`)
      return 'recovering'
    case 'retired':
    case 'corrupt':
      return verdict.kind
    case 'empty':
      return assert.fail(`silent difference: ${what}: the log is empty`)
  }
}

function assertPrefix(log: StoredLog, what: string): void {
  const model = newWorkload()
  const last = log.entries.at(-1)
  if (last === undefined) return
  const seen = new Set<string>()
  while (model.step < STEPS) for (const e of model.next().entries) seen.add(`${e.index} ${e.chain}`)
  const foreign = log.entries.find((entry) => !seen.has(`${entry.index} ${entry.chain}`))
  assert.equal(foreign, undefined, `${what}: entry ${foreign?.index} was never written`)
}

for (const [name, writeBufferBytes] of [
  ['its write-ahead log', 32 * 1_048_576],
  ['its write-ahead log and tables', 65_536],
] as const) {
  describe(`damage to a store that has ${name}`, () => {
    it('never makes a silent difference', async (t) => {
      const files = await filesAfter(STEPS, writeBufferBytes)
      const older = await filesAfter(OLDER_STEPS, writeBufferBytes)
      const whole = newWorkload()
      whole.skipTo(STEPS)
      const all = [...casesOf(files, older)]
      const cases = IS_COMPLETE ? all : seededRng(SEED).shuffle(all)
      const counts = new Map<string, number>()
      const until = performance.now() + BUDGET_MS
      let done = 0
      for (const { what, files: damaged } of cases) {
        if (done >= CASES_MAX || performance.now() > until) break
        const outcome = classify(await startOn(damaged(), writeBufferBytes), whole, what)
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        done++
      }
      const table = JSON.stringify(Object.fromEntries(counts))
      t.diagnostic(`${done} of ${all.length} cases, seed ${SEED}: ${table}`)
      assert.ok((counts.get('recovering') ?? 0) > 0, 'some damage must have been found')
    })
  })
}
