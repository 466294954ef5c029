/**
 * Starts the proxy that is to take this one's place and gives it what it asks for.
 *
 * Guarantees: `onServing` comes once, when the other serves on every port; until then `onFailed` says that it never will, and
 * this proxy is as before. What the other says after `onServing` is passed on; its end is told by `onGone`.
 * Bounds: READY_MS from its start until it serves; it is killed then.
 */

import type { ChildProcess } from 'node:child_process'
import type { Server } from 'node:net'
import type { LogRecord } from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { ToPredecessor, ToSuccessor } from './messages.ts'

/** It loads its program and waits for the agent's whole configuration. */
const READY_MS = 60_000
/** Messages beyond it are dropped: they are logs. */
const BACKLOG_MAX = 1000

export interface SuccessorEvents {
  /** @param bind as bindText has it */
  serverOf(bind: string): Server | undefined
  onControlOpen(): void
  onServing(): void
  onConfigure(snapshot: ProxySnapshot): void
  onEnd(drainMs: number): void
  onFailed(reason: string): void
  onGone(): void
}

export class Successor {
  readonly #child: ChildProcess
  readonly #events: SuccessorEvents
  readonly #late: Timer
  #state: 'starting' | 'serving' | 'gone' = 'starting'
  #backlog = 0

  /** @param command program and arguments that run it */
  constructor(
    command: readonly [string, ...string[]],
    events: SuccessorEvents,
    deps: { readonly clock: Clock },
  ) {
    this.#events = events
    const { spawn } = process.getBuiltinModule('node:child_process')
    const [program, ...args] = command
    // Our standard error is the file that the agent reads when a proxy crashed.
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const
    this.#child = spawn(program, args, { detached: true, stdio: [...stdio] })
    this.#child.on('error', (err) => this.#over(`it cannot be started: ${err.message}`))
    this.#child.on('exit', (code, signal) => this.#over(`it ended with ${code ?? signal}`))
    this.#child.on('disconnect', () => this.#over('it closed its channel'))
    this.#child.on('message', (message) => this.#onMessage(message as ToPredecessor))
    const at = instant(deps.clock.now() + READY_MS)
    this.#late = deps.clock.timer(at, () => {
      this.#child.kill('SIGKILL')
      this.#over(`it did not serve within ${READY_MS / 1000} s`)
    })
  }

  log(record: LogRecord): void {
    this.#offer({ kind: 'log', record })
  }

  /** @returns false when it is not taken */
  output(stream: 'stdout' | 'stderr', text: string): boolean {
    return this.#offer({ kind: 'output', stream, text })
  }

  /** Lets go of it: it is a process of its own. */
  release(): void {
    this.#late.cancel()
    this.#state = 'gone'
    if (this.#child.connected) this.#child.disconnect()
    this.#child.unref()
  }

  #onMessage(message: ToPredecessor): void {
    switch (message.kind) {
      case 'control-open':
        this.#events.onControlOpen()
        break
      case 'want':
        this.#child.send(
          { kind: 'socket', id: message.id } satisfies ToSuccessor,
          this.#events.serverOf(message.bind),
          {},
          () => {},
        )
        break
      case 'serving':
        this.#late.cancel()
        this.#state = 'serving'
        this.#events.onServing()
        break
      case 'configure':
        this.#events.onConfigure(message.snapshot)
        break
      case 'end':
        this.#events.onEnd(message.drainMs)
        break
    }
  }

  #over(reason: string): void {
    const before = this.#state
    this.#state = 'gone'
    this.#late.cancel()
    if (before === 'starting') this.#events.onFailed(reason)
    else if (before === 'serving') this.#events.onGone()
  }

  #offer(message: ToSuccessor): boolean {
    if (this.#state === 'gone' || this.#backlog >= BACKLOG_MAX) return false
    this.#backlog++
    this.#child.send(message, () => this.#backlog--)
    return true
  }
}
