/**
 * `fairlead debug`: gathers what an agent tells of itself over some time into one archive (cli.md section 7).
 *
 * Interrupted, it keeps what it has. Exit codes: 0 with an archive or folder, 1 without. Profiles need `enable_debug`
 * on the agent; without it they are left out, and the command says so.
 */

import { basename } from 'node:path'
import { parseDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'
import { instant } from '../../core/time.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { listenForSignals } from '../agent/signals.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  listFlag,
  toggle,
  UsageError,
} from '../command.ts'
import { CaptureFolder } from '../debug/capture-folder.ts'
import {
  CAPTURES,
  type Capture,
  type CaptureDeps,
  captureOnce,
  captureOverTime,
} from '../debug/captures.ts'

const DURATION = '5m'
const INTERVAL = '30s'
const DURATION_MS_MIN = 10_000
const INTERVAL_MS_MIN = 5_000
const ENDED = new FairleadError('SHUTTING_DOWN', 'The capture has ended')

interface Plan {
  readonly durationMs: number
  readonly intervalMs: number
  readonly output: string
  readonly isArchived: boolean
  readonly captures: readonly Capture[]
}

interface Self {
  readonly Config: { readonly Version: string }
  readonly DebugConfig: { readonly EnableDebug?: boolean }
}

export const debugCommand: CommandSpec = {
  summary: 'Gather what an agent tells of itself into an archive',
  usage: '',
  flags: [
    flag('duration', 'duration', `how long to look, at least 10s (default: ${DURATION})`),
    flag('interval', 'duration', `between two looks at memory, at least 5s (default: ${INTERVAL})`),
    flag('output', 'path', 'the archive, without its .tar.gz (default: consul-debug-<time>)'),
    toggle('archive', 'make an archive of the folder (default: true)'),
    listFlag('capture', 'what', `${CAPTURES.join(', ')}; repeatable (default: all)`),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const plan = planOf(args)
    const client = new ApiClient(args, context)
    const self = (await client.get('/v1/agent/self')).json() as Self
    const captures = possible(plan.captures, self, context)
    const folder = await CaptureFolder.create(plan.output).catch((cause: Error) => {
      const message = `Cannot make the folder "${plan.output}": ${cause.message}`
      throw new FairleadError('BAD_REQUEST', message, { cause })
    })
    announce({ ...plan, captures }, self, context)
    const problems: string[] = []
    const note = (problem: string): void => void problems.push(problem)
    await gather({ ...plan, captures }, { client, folder, note })
    await folder.write('index.json', indexOf({ ...plan, captures }, self, problems))
    for (const problem of problems) context.stderr(`Not captured: ${problem}\n`)
    const saved = plan.isArchived ? await folder.archive(systemClock.wall()) : folder.path
    context.stdout(`Saved debug archive: ${saved}\n`)
    return 0
  },
}

async function gather(
  plan: Plan,
  deps: Pick<CaptureDeps, 'client' | 'folder' | 'note'>,
): Promise<void> {
  const ending = new AbortController()
  const end = (): void => ending.abort(ENDED)
  using _signals = listenForSignals({ onStop: end, onCut: end, onReload: () => {} })
  const { durationMs, intervalMs, captures } = plan
  const all: CaptureDeps = {
    ...deps,
    clock: systemClock,
    signal: ending.signal,
    durationMs,
    intervalMs,
  }
  await captureOnce(captures, all)
  const timer = systemClock.timer(instant(systemClock.now() + durationMs), end)
  try {
    await captureOverTime(captures, all)
  } finally {
    timer.cancel()
  }
}

/** @throws UsageError */
function planOf(args: Arguments): Plan {
  const wanted = args.list('capture').flatMap((text) => text.split(','))
  const captures = wanted.map((name) => {
    const known = CAPTURES.find((capture) => capture === name)
    if (known !== undefined) return known
    throw new UsageError(`Unknown capture "${name}"; there are ${CAPTURES.join(', ')}`)
  })
  return {
    durationMs: durationOf(args, 'duration', DURATION, DURATION_MS_MIN),
    intervalMs: durationOf(args, 'interval', INTERVAL, INTERVAL_MS_MIN),
    output: args.text('output') ?? `consul-debug-${timeStamp()}`,
    isArchived: !args.has('archive') || args.bool('archive'),
    captures: captures.length === 0 ? CAPTURES : captures,
  }
}

function durationOf(args: Arguments, name: string, fallback: string, least: number): number {
  const text = args.text(name) ?? fallback
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new UsageError(`-${name}: "${text}" is not a duration such as 30s`)
  if (ms < least) throw new UsageError(`-${name} must be at least ${least / 1_000}s, not ${text}`)
  return ms
}

/** Profiles are left out where the agent does not give them. */
function possible(
  captures: readonly Capture[],
  self: Self,
  { stderr }: CliContext,
): readonly Capture[] {
  if (!captures.includes('pprof') || self.DebugConfig.EnableDebug === true) return captures
  stderr('Profiles are left out: set enable_debug = true on the agent to have them\n')
  return captures.filter((capture) => capture !== 'pprof')
}

function announce(plan: Plan, self: Self, { stdout }: CliContext): void {
  const output = plan.isArchived ? `${plan.output}.tar.gz` : plan.output
  stdout('==> Starting debugger and capturing static information...\n')
  stdout(`     Agent Version: '${self.Config.Version}'\n`)
  stdout(`          Interval: '${plan.intervalMs / 1_000}s'\n`)
  stdout(`          Duration: '${plan.durationMs / 1_000}s'\n`)
  stdout(`            Output: '${output}'\n`)
  stdout(`           Capture: '${plan.captures.join(', ')}'\n`)
}

function indexOf(plan: Plan, self: Self, problems: readonly string[]): string {
  const index = {
    Version: 1,
    AgentVersion: self.Config.Version,
    Interval: `${plan.intervalMs / 1_000}s`,
    Duration: `${plan.durationMs / 1_000}s`,
    Output: basename(plan.output),
    Targets: plan.captures,
    Problems: problems,
  }
  return `${JSON.stringify(index, null, 2)}\n`
}

/** `2026-01-10T12-00-00Z`, which every file system takes. */
function timeStamp(): string {
  return new Date(systemClock.wall()).toISOString().replace(/\.\d+/, '').replaceAll(':', '-')
}
