/**
 * Script check: exit 0 is passing, 1 warning, anything else critical (http-api.md 10.3).
 *
 * Guarantees: no process of the script's group is left when the probe settles by its time limit or is
 * stopped; after the script's own end its children that still hold its output are killed after a second.
 * No shell unless the arguments name one; the environment is the agent's, input is empty.
 * Bounds: the last `outputMaxBytes` of the output are kept.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { formatDurationMs } from '../../core/duration.ts'
import { TailOutput } from '../../core/health/output.ts'
import { type Clock, instant } from '../../core/time.ts'
import { critical, type Probe, ProbeTimeout, throwIfStopped } from './probe.ts'

/** How long children that outlive the script may keep its output open. */
const LINGER_MS = 1_000

interface Ended {
  readonly code: number | null
  readonly killedBy: NodeJS.Signals | null
}

export function scriptProbe(
  options: { readonly args: readonly string[]; readonly outputMaxBytes: number },
  deps: { readonly clock: Clock },
): Probe {
  const [program = '', ...args] = options.args
  return async (signal) => {
    signal.throwIfAborted()
    const output = new TailOutput(options.outputMaxBytes)
    let ended: Ended
    try {
      ended = await run(program, args, { output, signal, clock: deps.clock })
    } catch (error) {
      throwIfStopped(signal)
      if (signal.reason instanceof ProbeTimeout) {
        const limit = formatDurationMs(signal.reason.timeoutMs)
        const said = output.text()
        const text = `Timed out (${limit}) running check`
        return { ...critical(said === '' ? text : `${text}\n\n${said}`), immediate: true }
      }
      return critical(startError(program, error))
    }
    const text = output.text()
    if (ended.code === 0) return { status: 'passing', output: text }
    if (ended.code === 1) return { status: 'warning', output: text }
    if (ended.killedBy !== null && text === '') return critical(`signal: ${ended.killedBy}`)
    return critical(text)
  }
}

function run(
  program: string,
  args: readonly string[],
  context: {
    readonly output: TailOutput
    readonly signal: AbortSignal
    readonly clock: Clock
  },
): Promise<Ended> {
  const { output, signal, clock } = context
  return new Promise((resolve, reject) => {
    // A group of its own, so that all of it can be killed.
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let ended: Ended | undefined
    let linger: { cancel(): void } | undefined
    const finish = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      linger?.cancel()
      child.stdout.destroy()
      child.stderr.destroy()
      settle()
    }
    const onAbort = (): void => {
      killGroup(child)
      finish(() => reject(signal.reason))
    }
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    child.on('error', (error) => finish(() => reject(error)))
    child.once('exit', (code, killedBy) => {
      const result: Ended = { code, killedBy }
      ended = result
      linger = clock.timer(instant(clock.now() + LINGER_MS), () => {
        killGroup(child)
        finish(() => resolve(result))
      })
    })
    child.once('close', () => {
      const result = ended
      if (result !== undefined) finish(() => resolve(result))
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    // The whole group has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function startError(program: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return `exec: "${program}": executable file not found`
  if (code === 'EACCES') return `exec: "${program}": permission denied`
  return error instanceof Error ? error.message : String(error)
}
