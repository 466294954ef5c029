/**
 * The proxy's log: records go to its agent, which writes them into the one log of the host.
 *
 * So the proxy holds neither a file nor the agent's output, and outlives both. Without an agent the newest
 * RECORDS_MAX records wait; older ones are dropped and counted. Never blocks, never throws.
 */

import type { LogLevel } from '../../core/config/model.ts'
import type { LogFacts, Logger } from '../../core/log.ts'
import type { LogRecord } from '../../core/mesh/proxy-control.ts'

const RECORDS_MAX = 256
const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

export class LogRelay {
  readonly #threshold: number
  #waiting: LogRecord[] = []
  #dropped = 0
  #send: ((record: LogRecord) => void) | undefined

  constructor(level: LogLevel) {
    this.#threshold = LEVELS.indexOf(level)
  }

  logger(component: string): Logger {
    const at =
      (level: LogLevel) =>
      (message: string, facts: LogFacts = {}): void => {
        if (LEVELS.indexOf(level) < this.#threshold) return
        this.#record({ level, component, message, facts: plain(facts) })
      }
    return {
      trace: at('trace'),
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (name) => this.logger(component === '' ? name : `${component}.${name}`),
    }
  }

  /** An agent is there: it gets what waited, then everything as it comes. */
  connect(send: (record: LogRecord) => void): void {
    this.#send = send
    const waiting = this.#waiting
    this.#waiting = []
    for (const record of waiting) send(record)
    if (this.#dropped === 0) return
    const facts = { count: this.#dropped }
    this.#dropped = 0
    send({ level: 'warn', component: '', message: 'log records were dropped', facts })
  }

  /** Of another proxy, whose place this one takes; judged by its own threshold. */
  forward(record: LogRecord): void {
    this.#record(record)
  }

  disconnect(): void {
    this.#send = undefined
  }

  #record(record: LogRecord): void {
    if (this.#send !== undefined) {
      this.#send(record)
      return
    }
    this.#waiting.push(record)
    if (this.#waiting.length <= RECORDS_MAX) return
    this.#waiting.shift()
    this.#dropped++
  }
}

/** Errors have no enumerable properties: JSON would make {} of them. */
function plain(facts: LogFacts): LogFacts {
  const err = facts['err']
  if (!(err instanceof Error)) return facts
  const { code } = err as NodeJS.ErrnoException
  return { ...facts, err: code === undefined ? err.message : `${code}: ${err.message}` }
}
