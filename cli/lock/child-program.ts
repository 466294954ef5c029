/**
 * The program that runs while a lock is held: started, waited for, ended.
 *
 * Guarantees: ending asks by SIGTERM and kills after the grace time, the program and all it started in its group.
 * A program that reads this process's standard input stays in its group, as a terminal asks for, and is ended alone.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { type Clock, instant } from '../../core/time.ts'

export interface ChildRun {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly passStdin: boolean
  readonly graceMs: number
}

export class ChildProgram {
  /** Whether it ended well. Rejects when it could not be started. */
  readonly ended: Promise<boolean>
  readonly #child: ChildProcess
  readonly #run: ChildRun
  readonly #clock: Clock

  constructor(run: ChildRun, { clock }: { readonly clock: Clock }) {
    const [program = '', ...args] = run.args
    this.#run = run
    this.#clock = clock
    this.#child = spawn(program, args, {
      detached: !run.passStdin,
      stdio: [run.passStdin ? 'inherit' : 'ignore', 'inherit', 'inherit'],
      env: run.env,
    })
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    this.#child.once('error', reject)
    this.#child.once('exit', (code) => resolve(code === 0))
    this.ended = promise
  }

  /** Resolves when it has ended. */
  async end(): Promise<void> {
    this.#signal('SIGTERM')
    const deadline = instant(this.#clock.now() + this.#run.graceMs)
    const timer = this.#clock.timer(deadline, () => this.#signal('SIGKILL'))
    try {
      await this.ended
    } finally {
      timer.cancel()
    }
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      process.kill(this.#run.passStdin ? pid : -pid, signal)
    } catch (err) {
      // It ended meanwhile.
      if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err
    }
  }
}
