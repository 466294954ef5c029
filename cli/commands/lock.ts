/**
 * `fairlead lock`: runs a program while it holds a lock of the cluster (cli.md section 6).
 *
 * Guarantees: the program is asked to end as soon as the lock is lost, and killed after five seconds; the lock
 * is given back however the program ends. Exit codes: 1 when the lock was not held to the end; 2 with
 * -child-exit-code when the program failed.
 */

import { parseDurationMs } from '../../core/duration.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import { instant } from '../../core/time.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { listenForSignals } from '../agent/signals.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  optionalFlag,
  toggle,
  UsageError,
} from '../command.ts'
import { normalKey } from '../kv-path.ts'
import { ChildProgram } from '../lock/child-program.ts'
import type { DistributedLock, LockDeps } from '../lock/distributed-lock.ts'
import { KeyLock } from '../lock/key-lock.ts'
import { LockSession } from '../lock/lock-session.ts'
import { SemaphoreLock } from '../lock/semaphore-lock.ts'

const EXIT_CHILD_FAILED = 2
const GRACE_MS = 5_000
const HOLDERS_MAX = 100_000
const RETRIES_MAX = 1_000

export const lockCommand: CommandSpec = {
  summary: 'Run a program while holding a lock of the cluster',
  usage: 'PREFIX PROGRAM [ARGUMENTS...]',
  flags: [
    toggle('child-exit-code', 'exit with 2 when the program failed'),
    flag('n', 'count', 'how many may hold the lock at once (default: 1)'),
    flag(
      'monitor-retry',
      'count',
      'failed looks at the lock before it counts as lost (default: 3)',
    ),
    flag('name', 'name', 'name of the session behind the lock'),
    toggle('pass-stdin', 'let the program read the standard input'),
    toggle('shell', 'run the program by a shell (default: true)'),
    flag('timeout', 'duration', 'how long to wait for the lock (default: without limit)'),
    optionalFlag('try', 'duration', 'do not wait for the lock, or not for longer than this'),
    toggle('verbose', 'say what is being done'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const wanted = wantedLock(args)
    const ending = new AbortController()
    using _signals = listenForSignals({
      onStop: (by) => ending.abort(new FairleadError('SHUTTING_DOWN', `stopped by ${by}`)),
      onCut: () => process.exit(1),
      onReload: () => {},
    })
    const client = new ApiClient(args, context)
    const deps = { client, clock: systemClock, retriesMax: wanted.retriesMax }
    const session = await LockSession.create(wanted.sessionName, deps, ending.signal)
    let code = 1
    try {
      const lock = lockOf(wanted, session.id, deps)
      code = await holdAndRun(wanted, { session, lock, context, ending: ending.signal })
    } finally {
      await endSession(session, context)
    }
    return code
  },
}

interface WantedLock {
  readonly prefix: string
  readonly limit: number
  readonly retriesMax: number
  readonly sessionName: string
  /** How long to wait for it; undefined is for ever. */
  readonly waitMs: number | undefined
  readonly once: boolean
  readonly program: readonly string[]
  readonly passStdin: boolean
  readonly childExitCode: boolean
  readonly verbose: boolean
}

/** @throws UsageError */
function wantedLock(args: Arguments): WantedLock {
  const [given = '', ...words] = args.positionals
  if (words.length === 0) throw new UsageError('Key prefix and child command must be specified')
  const prefix = normalKey(given).replace(/\/+$/, '')
  if (prefix === '') throw new UsageError('The key prefix cannot be empty')
  const byShell = !args.has('shell') || args.bool('shell')
  const tried = args.text('try')
  return {
    prefix,
    limit: count(args, { flag: 'n', fallback: 1, least: 1, most: HOLDERS_MAX }),
    retriesMax: count(args, { flag: 'monitor-retry', fallback: 3, least: 0, most: RETRIES_MAX }),
    sessionName: args.text('name') ?? `Lock for "${words.join(' ')}" at "${prefix}"`,
    waitMs: waitMs(args, 'timeout') ?? (tried === '' ? undefined : waitMs(args, 'try')),
    once: tried === '',
    program: byShell ? ['/bin/sh', '-c', words.join(' ')] : words,
    passStdin: args.bool('pass-stdin'),
    childExitCode: args.bool('child-exit-code'),
    verbose: args.bool('verbose'),
  }
}

function count(
  args: Arguments,
  range: {
    readonly flag: string
    readonly fallback: number
    readonly least: number
    readonly most: number
  },
): number {
  const text = args.text(range.flag)
  if (text === undefined) return range.fallback
  const value = Number(text)
  if (/^[0-9]+$/.test(text) && value >= range.least && value <= range.most) return value
  throw new UsageError(`-${range.flag} takes ${range.least} to ${range.most}, got "${text}"`)
}

/** Zero is without limit, as if the flag were not there. */
function waitMs(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const ms = parseDurationMs(text)
  if (ms === undefined || ms < 0) {
    throw new UsageError(`-${name} takes a duration such as 10s, got "${text}"`)
  }
  return ms === 0 ? undefined : ms
}

function lockOf(wanted: WantedLock, session: string, deps: LockDeps): DistributedLock {
  const { prefix, limit } = wanted
  return limit === 1
    ? new KeyLock({ key: `${prefix}/.lock`, session }, deps)
    : new SemaphoreLock({ prefix, limit, session }, deps)
}

interface Holding {
  readonly session: LockSession
  readonly lock: DistributedLock
  readonly context: CliContext
  readonly ending: AbortSignal
}

async function holdAndRun(wanted: WantedLock, holding: Holding): Promise<number> {
  const { session, lock, context, ending } = holding
  const say = (text: string): void => {
    if (wanted.verbose) context.stdout(`${text}\n`)
  }
  const stop = new AbortController()
  const sessionLost = reasonOf(session.keep(stop.signal), stop.signal)
  try {
    say('Attempting lock acquisition')
    if (!(await acquire(wanted, lock, ending))) {
      context.stderr('Lock acquisition failed: others hold the lock\n')
      return 1
    }
    say('Starting the program')
    const lost = Promise.race([sessionLost, reasonOf(lock.follow(stop.signal), stop.signal)])
    const end = await runWhile(wanted, lost, holding)
    stop.abort()
    if (end === 'lost') return 1
    await lock.release()
    say((await lock.cleanUp()) ? 'Cleanup succeeded' : 'Cleanup aborted, lock in use')
    return end === 'failed' && wanted.childExitCode ? EXIT_CHILD_FAILED : 0
  } finally {
    stop.abort()
  }
}

/** @returns whether it is held; false when the time to wait is over */
async function acquire(
  wanted: WantedLock,
  lock: DistributedLock,
  ending: AbortSignal,
): Promise<boolean> {
  const { waitMs: ms } = wanted
  if (ms === undefined) return await lock.acquire(wanted.once, ending)
  const late = new AbortController()
  const deadline = instant(systemClock.now() + ms)
  const timer = systemClock.timer(deadline, () => late.abort(LATE))
  try {
    return await lock.acquire(false, AbortSignal.any([ending, late.signal]))
  } catch (thrown) {
    if (thrown === LATE) return false
    throw thrown
  } finally {
    timer.cancel()
  }
}

const LATE = new FairleadError('BUSY', 'others hold the lock')

type ProgramEnd = 'good' | 'failed' | 'lost'

/** Runs the program to its end, which is sooner when the lock is lost or this process is to stop. */
async function runWhile(
  wanted: WantedLock,
  lost: Promise<FairleadError>,
  { context, ending }: Holding,
): Promise<ProgramEnd> {
  const env = { ...context.env, CONSUL_LOCK_HELD: 'true' }
  const child = new ChildProgram(
    { args: wanted.program, env, passStdin: wanted.passStdin, graceMs: GRACE_MS },
    { clock: systemClock },
  )
  const asked = Promise.withResolvers<undefined>()
  const onEnding = (): void => asked.resolve(undefined)
  ending.addEventListener('abort', onEnding, { once: true })
  if (ending.aborted) onEnding()
  try {
    const first = await Promise.race([child.ended, lost, asked.promise])
    if (first instanceof FairleadError) {
      context.stderr(`Lock lost, ending the program: ${first.message}\n`)
      await child.end()
      return 'lost'
    }
    if (first === undefined) await child.end()
    return (await child.ended) ? 'good' : 'failed'
  } finally {
    ending.removeEventListener('abort', onEnding)
  }
}

/** The failure of what goes on until it is stopped; stays open when it was stopped. */
function reasonOf(work: Promise<never>, stopped: AbortSignal): Promise<FairleadError> {
  return new Promise((resolve) => {
    work.catch((thrown) => {
      if (!stopped.aborted) resolve(toFairleadError(thrown))
    })
  })
}

async function endSession(session: LockSession, context: CliContext): Promise<void> {
  try {
    await session.end()
  } catch (thrown) {
    // What it holds is free when its time is over.
    const { message } = toFairleadError(thrown)
    context.stderr(
      `The session ${session.id} could not be ended and expires by itself: ${message}\n`,
    )
  }
}
