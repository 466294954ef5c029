/**
 * Runs the program under test, FAIRLEAD_BIN (default: bin/fairlead of this checkout), as a black box.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..', '..')

export const PROGRAM = process.env['FAIRLEAD_BIN'] ?? join(ROOT, 'bin', 'fairlead')

/** Pause between two looks at a condition. */
const POLL_INTERVAL_MS = 20
const COMMAND_TIMEOUT_MS = 30_000
/** How long output may still come after a process has ended. */
const OUTPUT_GRACE_MS = 1_000

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export async function runCommand(
  argv: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly stdin?: string
    readonly program?: string
    readonly timeoutMs?: number
  } = {},
): Promise<Finished> {
  const child = spawn(options.program ?? PROGRAM, argv, {
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: 'pipe',
    timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS,
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  return await finished(child)
}

export async function finished(child: ChildProcess): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      const done = (): void => resolve({ code, signal, stdout, stderr })
      child.once('close', done)
      // A surviving proxy holds the pipes of its dead agent.
      setTimeout(done, OUTPUT_GRACE_MS).unref()
    })
  })
}

/** Calls `probe` until it returns something other than undefined or false; its last error is the reason. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let lastError: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
    } catch (err) {
      lastError = err
    }
    if (Date.now() > deadline) {
      throw new Error(`gave up waiting: ${what}`, { cause: lastError })
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
  }
}

/** Processes whose command line mentions `text`, without this one. */
export function processesMentioning(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => commandLine(name).includes(text))
    .map(Number)
}

export function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}`)) return false
  return !/^\d+ \(.*\) Z/.test(readOrEmpty(`/proc/${pid}/stat`))
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err
  }
}

function commandLine(pid: string): string {
  return readOrEmpty(`/proc/${pid}/cmdline`)
}

/** A process may end between listing and reading. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return ''
    throw err
  }
}
