/**
 * Runs a new server for as long as it takes to set its cluster up, as a child of `fairlead init`.
 *
 * Guarantees: nothing is asked before the child itself serves, for another program may have the port; the child is this same program; it has ended when `stop` resolves, and with the block that holds it. What it
 * logged is told when it does not become ready.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'

const READY_MAX_MS = 60_000
const STOP_MAX_MS = 30_000
const LOOK_MS = 100
const PROBE_MAX_MS = 10_000
const LOG_SHOWN = 2_000
/** In the line that says so (run-agent.ts). */
const READY = '"agent is ready"'

export interface FirstRunOptions {
  readonly args: readonly string[]
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

export class FirstRun implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #clock: Clock
  readonly #over = new AbortController()
  #output = ''
  #isReady = false
  #hasEnded = false

  constructor({ args, owner, env }: FirstRunOptions, clock: Clock) {
    this.#clock = clock
    const main = join(import.meta.dirname, '..', 'main.ts')
    this.#child = spawn(
      process.execPath,
      [...process.execArgv, main, 'agent', '-log-json', '-log-level=info', ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        // As whom the service runs: what it writes is then its own.
        ...(owner === undefined ? {} : owner),
        env: { ...env, NOTIFY_SOCKET: undefined },
      },
    )
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#isReady ||= this.#output.includes(READY)
        this.#output = this.#output.slice(-LOG_SHOWN)
      })
    }
    this.#ended = new Promise((resolve) => {
      const over = (): void => {
        this.#hasEnded = true
        this.#over.abort(new Error('the new server ended'))
        resolve()
      }
      this.#child.once('exit', over).once('error', (err) => {
        this.#output += err.message
        over()
      })
    })
  }

  /** Calls `probe` until it gives something. @throws FairleadError when the server ends, or it takes too long */
  async until<T>(what: string, probe: (signal: AbortSignal) => Promise<T | undefined>): Promise<T> {
    const deadline = this.#clock.now() + READY_MAX_MS
    let last: unknown
    while (!this.#hasEnded && this.#clock.now() < deadline) {
      try {
        const found = this.#isReady ? await this.#bounded(probe) : undefined
        if (found !== undefined) return found
      } catch (err) {
        last = err
      }
      await this.#clock.sleep(LOOK_MS)
    }
    const why = this.#hasEnded ? 'it ended' : `it took over ${READY_MAX_MS / 1000} s`
    const log = this.#output.trim()
    throw new FairleadError('INTERNAL', `The new server was not set up (${what}): ${why}\n${log}`, {
      cause: last,
      facts: { hint: 'see what it said above; nothing of it is left' },
    })
  }

  #bounded<T>(probe: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(this.#clock, PROBE_MAX_MS, this.#over.signal, probe)
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return
    this.#child.kill('SIGTERM')
    const late = new AbortController()
    const killed = this.#clock
      .sleep(STOP_MAX_MS, late.signal)
      .then(() => this.#child.kill('SIGKILL'))
      .catch(() => {})
    await this.#ended
    late.abort()
    await killed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
