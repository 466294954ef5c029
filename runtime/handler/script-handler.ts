/**
 * Runs a program with a text on its standard input, as handlers of watches are run (agent-config.md section 10).
 *
 * No shell. Guarantees: resolves or rejects when the program and all it started in its group have ended, or their
 * output is closed; on abort the group is asked to end, and killed after GRACE_MS. Bounds: of the output the first
 * OUTPUT_SIZE_MAX bytes are kept.
 */

import { Buffer } from 'node:buffer'
import { type ChildProcess, spawn } from 'node:child_process'
import { type Clock, instant, type Timer } from '../../core/time.ts'

const GRACE_MS = 2_000
const OUTPUT_SIZE_MAX = 4096

export interface ScriptRun {
  /** The program and its arguments. */
  readonly args: readonly string[]
  readonly input: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `inherit`: what it says goes where this process says it. */
  readonly output: 'collect' | 'inherit'
  readonly signal: AbortSignal
}

export interface ScriptEnd {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly killedBy: string | null
  readonly output: string
}

/** @throws the platform's error when the program cannot be started; the abort reason */
export async function runScript(run: ScriptRun, { clock }: { clock: Clock }): Promise<ScriptEnd> {
  run.signal.throwIfAborted()
  const [program = '', ...args] = run.args
  const out = run.output === 'collect' ? 'pipe' : 'inherit'
  const child = spawn(program, args, {
    // A group of its own, so that all of it can be ended.
    detached: true,
    stdio: ['pipe', out, out],
    env: run.env,
  })
  const chunks: Buffer[] = []
  let size = 0
  const keep = (chunk: Buffer): void => {
    if (size < OUTPUT_SIZE_MAX) chunks.push(chunk.subarray(0, OUTPUT_SIZE_MAX - size))
    size += chunk.length
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  // A program may end without reading what it is given.
  child.stdin?.on('error', () => {})
  let grace: Timer | undefined
  const onAbort = (): void => {
    killGroup(child, 'SIGTERM')
    grace = clock.timer(instant(clock.now() + GRACE_MS), () => killGroup(child, 'SIGKILL'))
  }
  run.signal.addEventListener('abort', onAbort, { once: true })
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Omit<ScriptEnd, 'output'>>()
    child.once('error', reject)
    child.once('close', (code, killedBy) => resolve({ code, killedBy }))
    child.stdin?.end(run.input)
    const end = await promise
    run.signal.throwIfAborted()
    return { ...end, output: Buffer.concat(chunks).toString('utf8') }
  } finally {
    run.signal.removeEventListener('abort', onAbort)
    grace?.cancel()
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // The whole group has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
