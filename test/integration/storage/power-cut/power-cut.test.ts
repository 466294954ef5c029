/**
 * The power is cut at every moment of a recorded run (verification 23.2, b and c): all that was acknowledged is
 * there, under the names that it had, whatever became of what was not synced.
 *
 * One run of the real log, witness and snapshots is traced by strace. From the trace come the states that a disk may
 * be left in after each call: nothing of what was uncertain, all of it, all but one write, one write alone, sectors by
 * chance. Each is opened by the real code. By default as many as fit into some seconds, in an order from the seed;
 * FAIRLEAD_CUTS=all opens every one. What file systems may do that keep no order of names is not asked: LevelDB does not
 * sync the name of a new log, and servers are warned of such file systems. Where strace cannot trace, the tests are skipped with a word.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { fault } from './disk-life.ts'
import { DiskModel, type DiskRules, type DiskState, type Luck } from './disk-model.ts'
import { readTrace, STRACE_ARGUMENTS, type Trace } from './syscall-trace.ts'

const SEED = Number(process.env['FAIRLEAD_SEED'] ?? 20_264)
const IS_COMPLETE = process.env['FAIRLEAD_CUTS'] === 'all'
const BUDGET_MS = IS_COMPLETE ? Number.POSITIVE_INFINITY : 6_000
const STEPS = 60
const RANDOM_STATES = 3
const WRITER = join(import.meta.dirname, 'disk-writer.ts')

/** A state that a cut may leave, and what the process had said by then. */
interface Cut {
  readonly what: string
  readonly acknowledged: number
  readonly state: () => DiskState
}

let root = ''
let trace: Trace = { calls: [], mainThread: 0 }
let opened = 0

function noStrace(): string | false {
  const probe = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'])
  if (probe.error !== undefined) return 'strace is not installed'
  return probe.status === 0 ? false : 'strace may not trace here'
}

async function record(): Promise<Trace> {
  const directory = join(root, 'recorded')
  await mkdir(directory)
  const file = join(root, 'trace')
  const writer = [process.execPath, WRITER, directory, String(SEED), String(STEPS)]
  const run = spawnSync('strace', [...STRACE_ARGUMENTS, '-o', file, ...writer], {
    env: { ...process.env, UV_USE_IO_URING: '0' },
  })
  assert.equal(run.status, 0, run.stderr.toString())
  return readTrace(await readFile(file, 'latin1'), directory)
}

/** All that a cut after so many calls may leave under the rules. */
function* cutsAfter(end: number, rules: DiskRules): Iterable<Cut> {
  const model = new DiskModel(rules)
  let acknowledged = 0
  for (const call of trace.calls.slice(0, end)) {
    model.apply(call)
    if (call.kind === 'said') acknowledged = Number(/(\d+)\n$/.exec(call.text)?.[1])
  }
  const { pendingNames, pendingWrites } = model
  const lucks: Luck[] = [{ kind: 'none' }, { kind: 'all' }]
  for (let write = 0; write < pendingWrites; write++) {
    lucks.push({ kind: 'without', write }, { kind: 'only', write })
  }
  for (let i = 0; i < RANDOM_STATES; i++) {
    lucks.push({ kind: 'random', rng: seededRng(SEED + 31 * end + i) })
  }
  for (const luck of lucks) {
    for (const names of new Set([0, Math.floor(pendingNames / 2), pendingNames])) {
      const what = `after call ${end}, luck ${JSON.stringify({ ...luck, rng: undefined })}, names ${names} of ${pendingNames}`
      yield { what, acknowledged, state: () => model.state(luck, names) }
    }
  }
}

/** In an order from the seed; each state once. @returns what is wrong with some, at most `faultsMax` */
async function openAll(rules: DiskRules, faultsMax: number): Promise<readonly string[]> {
  const moments = seededRng(SEED).shuffle(trace.calls.map((_call, i) => i + 1))
  const seen = new Set<string>()
  const faults: string[] = []
  const until = performance.now() + BUDGET_MS
  for (const moment of moments) {
    for (const { what, acknowledged, state } of cutsAfter(moment, rules)) {
      if (performance.now() > until || faults.length >= faultsMax) break
      const files = state()
      const name = digestOf(files, acknowledged)
      if (seen.has(name)) continue
      seen.add(name)
      const found = await openOne(files, acknowledged)
      if (found !== null) faults.push(`${what}, acknowledged ${acknowledged}: ${found}`)
    }
  }
  opened = seen.size
  return faults
}

function digestOf(files: DiskState, acknowledged: number): string {
  const digest = createHash('sha256').update(String(acknowledged))
  for (const [path, content] of files) digest.update(`\n${path}\n`).update(content)
  return digest.digest('hex')
}

async function openOne(files: DiskState, acknowledged: number): Promise<string | null> {
  const directory = join(root, 'cut')
  try {
    await mkdir(directory)
    for (const [path, content] of files) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), content)
    }
    return await fault(directory, { seed: SEED, acknowledged })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('a disk whose power is cut', { skip: noStrace() }, () => {
  before(async () => {
    // In memory where there is such a place: what is synced for good is decided here, not by the disk.
    root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fairlead-cuts-'))
    trace = await record()
  })
  after(async () => {
    await rm(root, { recursive: true, force: true })
  })

  it('was written as a server writes: new logs, tables, snapshots, images of others', () => {
    const created = trace.calls.flatMap((call) => (call.kind === 'create' ? [call.path] : []))
    assert.ok(created.filter((path) => /^raft\/log\/\d+\.log$/.test(path)).length > 1)
    assert.ok(created.some((path) => /\.ldb$/.test(path)))
    assert.ok(created.some((path) => path.includes('.writing-')))
    assert.ok(created.some((path) => path.includes('.receiving-')))
  })

  it('was never waited for by the thread that runs the server', () => {
    const syncs = trace.calls.filter((call) => call.kind === 'sync')
    assert.ok(syncs.length > STEPS)
    assert.deepEqual(
      syncs.filter(({ thread }) => thread === trace.mainThread),
      [],
    )
  })

  it('has every acknowledged step, and the snapshot that its log needs', async (t) => {
    assert.deepEqual(await openAll({ names: 'journal' }, 5), [])
    t.diagnostic(`${opened} states opened, seed ${SEED}`)
    assert.ok(opened > 50, String(opened))
  })

  it('would be found to lose steps if syncs did nothing', async () => {
    const [first] = await openAll({ names: 'journal', ignores: 'all' }, 1)
    assert.match(first ?? 'nothing was found', /: (is|ends|has|cannot)/)
  })

  it('would be found to lose files if directories were not synced', async () => {
    const [first] = await openAll({ names: 'posix', ignores: 'directories' }, 1)
    assert.match(first ?? 'nothing was found', /: (is|ends|has|cannot)/)
  })
})
