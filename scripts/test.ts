/**
 * The whole test run, `npm test`: every stage in order, then one summary in the form of node's own runner.
 *
 * Stages: format and lint, types, dead code, architecture, unit and contract, ports, fuzzing, simulation,
 * integration, end to end, clients of other projects, faults on real processes, and the demo with `--once`. A failed stage does not hide
 * the later ones; any failure gives exit code 1. `npm test -- unit sim` runs only the stages named. Does not
 * install anything.
 */

import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Counts {
  tests: number
  pass: number
  fail: number
  skipped: number
  /** Name of each skipped test and why. */
  skips: readonly string[]
}

interface Outcome {
  readonly stage: string
  readonly ok: boolean
  readonly seconds: number
  readonly counts: Counts | undefined
}

interface Stage {
  readonly name: string
  /** Test files; empty for a stage that runs `command`. */
  readonly globs?: readonly string[]
  readonly concurrency?: number
  readonly command?: readonly string[]
  readonly timeoutMs?: number
}

/** A stage that takes longer than this hangs, unless it says otherwise. */
const STAGE_TIMEOUT_MS = 10 * 60_000

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

const STAGES: readonly Stage[] = [
  { name: 'format', command: [bin('biome'), 'ci', '.'] },
  { name: 'types', command: [bin('tsc'), '--noEmit'] },
  { name: 'dead', command: [bin('knip')] },
  { name: 'architecture', globs: ['test/architecture/**/*.test.ts'] },
  {
    name: 'unit',
    globs: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/history/**/*.test.ts'],
  },
  { name: 'ports', globs: ['test/ports/**/*.test.ts'] },
  { name: 'fuzz', globs: ['test/fuzz/**/*.test.ts'] },
  { name: 'sim', globs: ['test/sim/**/*.test.ts'] },
  { name: 'integration', globs: ['test/integration/**/*.test.ts'] },
  { name: 'e2e', globs: ['test/e2e/**/*.test.ts'], concurrency: 2 },
  // The first run on a machine compiles what it drives.
  {
    name: 'clients',
    globs: ['test/clients/**/*.test.ts'],
    concurrency: 2,
    timeoutMs: 15 * 60_000,
  },
  // One at a time: every file has the machine to itself, or starved processors would be the only fault.
  // Long because of that: the fleet of fifteen agents alone takes five minutes.
  {
    name: 'cluster',
    globs: ['test/cluster/**/*.test.ts'],
    concurrency: 1,
    timeoutMs: 25 * 60_000,
  },
  { name: 'demo', command: [process.execPath, 'scripts/demo.ts', '--once'] },
]

function main(wanted: readonly string[]): number {
  const unknown = wanted.filter((name) => !STAGES.some((stage) => stage.name === name))
  if (unknown.length > 0) {
    console.error(
      `no stage ${unknown.join(', ')}; there are ${STAGES.map((s) => s.name).join(', ')}`,
    )
    return 2
  }
  const scratch = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
  try {
    const stages = STAGES.filter((stage) => wanted.length === 0 || wanted.includes(stage.name))
    const outcomes = stages.map((stage) => runStage(stage, join(scratch, `${stage.name}.json`)))
    printSummary(outcomes)
    return outcomes.every((outcome) => outcome.ok) ? 0 : 1
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function runStage(stage: Stage, countsFile: string): Outcome {
  console.log(`\n── ${stage.name} ${'─'.repeat(Math.max(0, 70 - stage.name.length))}`)
  const started = process.hrtime.bigint()
  const command = stage.command ?? testCommand(stage, countsFile)
  const [program = '', ...args] = command
  const timeout = stage.timeoutMs ?? STAGE_TIMEOUT_MS
  const result =
    program === ''
      ? { status: 0, error: undefined }
      : spawnSync(program, args, { cwd: root, stdio: 'inherit', timeout })
  if (result.error !== undefined) console.error(`${stage.name}: ${result.error.message}`)
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  const counts = stage.globs === undefined ? undefined : readCounts(countsFile)
  return { stage: stage.name, ok: result.status === 0, seconds, counts }
}

/** Empty when the stage has no test files yet: node would call that an error. */
function testCommand(stage: Stage, countsFile: string): readonly string[] {
  const files = (stage.globs ?? []).flatMap((glob) => globSync(glob, { cwd: root })).sort()
  if (files.length === 0) return []
  const command = [
    process.execPath,
    '--test',
    '--disable-warning=ExperimentalWarning',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/test/counts-reporter.ts',
    `--test-reporter-destination=${countsFile}`,
  ]
  if (stage.concurrency !== undefined) command.push(`--test-concurrency=${stage.concurrency}`)
  return [...command, ...files]
}

function readCounts(path: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (err) {
    // No file or a partial one: the stage had no tests or was cut; its exit code tells which.
    if (err instanceof SyntaxError || (err as NodeJS.ErrnoException).code === 'ENOENT')
      return undefined
    throw err
  }
}

function printSummary(outcomes: readonly Outcome[]): void {
  const total = { tests: 0, pass: 0, fail: 0, skipped: 0 }
  console.log(`\n── summary ${'─'.repeat(63)}`)
  for (const outcome of outcomes) {
    const counts = outcome.counts
    // A stage that is one command counts as one test.
    total.tests += counts?.tests ?? 1
    total.pass += counts?.pass ?? Number(outcome.ok)
    total.fail += counts?.fail ?? Number(!outcome.ok)
    total.skipped += counts?.skipped ?? 0
    const detail =
      counts === undefined
        ? ''
        : `${counts.pass} of ${counts.tests} passed, ${counts.skipped} skipped`
    const mark = outcome.ok ? '✔' : '✖'
    console.log(
      `${mark} ${outcome.stage.padEnd(13)} ${outcome.seconds.toFixed(1).padStart(6)} s  ${detail}`,
    )
  }
  for (const { counts } of outcomes) {
    for (const skip of counts?.skips ?? []) console.log(`﹣ skipped: ${skip}`)
  }
  const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0)
  console.log(`ℹ tests ${total.tests}`)
  console.log(`ℹ pass ${total.pass}`)
  console.log(`ℹ fail ${total.fail}`)
  console.log(`ℹ skipped ${total.skipped}`)
  console.log(`ℹ duration_ms ${Math.round(seconds * 1000)}`)
}

process.exitCode = main(process.argv.slice(2))
