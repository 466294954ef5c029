/**
 * Plants a bug into a copy of the sources and lets the simulator look for it there.
 *
 * The copy holds what the simulator loads, and nothing of it is ever written back. Guarantees that the
 * change really is in the text that runs: a `from` that does not occur exactly once is an error, so that
 * bugs keep up with the code. Bound: the bug's own number of seeds, and a time limit.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlantedBug } from './bugs.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const COPIED = [
  'core',
  'server/raft',
  'test/sim/raft',
  'test/history',
  'test/sim/sim.ts',
  'package.json',
]
const STEPS = 6_000

export interface Hunt {
  readonly bug: PlantedBug
  readonly isFound: boolean
  /** Seeds run, the last of which found it. */
  readonly seeds: number
  readonly steps: number
  readonly seconds: number
  /** What the simulator said of it. */
  readonly finding: string
}

export interface HuntOptions {
  readonly base: number
  readonly timeoutMs: number
}

/** @throws Error when the bug does not fit the sources any more, or the simulator cannot run at all */
export function hunt(bug: PlantedBug, options: HuntOptions): Hunt {
  const directory = copyWith(bug)
  try {
    return run(bug, directory, options)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** @returns a directory that holds the simulator and the bug, and that the caller removes */
export function copyWith(bug: PlantedBug): string {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-planted-'))
  for (const path of COPIED) {
    cpSync(join(ROOT, path), join(directory, path), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  plant(bug, directory)
  return directory
}

function plant(bug: PlantedBug, directory: string): void {
  for (const { file, from, to } of bug.edits) {
    const path = join(directory, file)
    const text = readFileSync(path, 'utf8')
    const parts = text.split(from)
    if (parts.length !== 2) {
      throw new Error(`"${bug.name}": ${file} holds ${parts.length - 1} times: ${from}`)
    }
    writeFileSync(path, parts.join(to))
  }
}

function run(bug: PlantedBug, directory: string, { base, timeoutMs }: HuntOptions): Hunt {
  const began = process.hrtime.bigint()
  const args = [
    '--base',
    String(base),
    '--seeds',
    String(bug.seeds),
    '--steps',
    String(bug.steps ?? STEPS),
  ]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(directory, 'test', 'sim', 'sim.ts'),
      ...args,
      '--failures',
      '1',
      '--json',
      '--set',
      JSON.stringify(bug.focus ?? {}),
    ],
    { cwd: directory, encoding: 'utf8', timeout: timeoutMs, maxBuffer: 64 * 1_048_576 },
  )
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  // Killed by the time limit: nothing was found, and how far it came is not known.
  if (status === null) {
    return { bug, isFound: false, seeds: 0, steps: 0, seconds, finding: 'the time was up' }
  }
  const [line = ''] = stdout.trim().split('\n').slice(-1)
  const totals: unknown = line.startsWith('{') ? JSON.parse(line) : null
  if (!isTotals(totals)) throw new Error(`"${bug.name}": the simulator did not run: ${stderr}`)
  const [finding = ''] = stderr.split('\n')
  return {
    bug,
    isFound: totals.violations > 0,
    seeds: totals.seeds,
    steps: totals.steps,
    seconds,
    finding: finding.slice(0, 200),
  }
}

function isTotals(
  value: unknown,
): value is { readonly seeds: number; readonly steps: number; readonly violations: number } {
  return typeof value === 'object' && value !== null && 'violations' in value && 'seeds' in value
}
