/**
 * The logger of the whole process, over pino, written to standard output (agent-config.md section 15).
 *
 * Guarantees: logging never waits for the reader. Lines are written asynchronously in order; when more than
 * `QUEUE_BYTES_MAX` are waiting because the reader is slow, newer lines are dropped, counted, and reported
 * in one line once there is room again. The level can be changed while running, for every child at once.
 * Followers get lines at levels of their own; lines that nobody wants cost one comparison.
 * Does not rotate files: standard output belongs to whoever started the process.
 */

import { destination, type Logger as PinoLogger, pino } from 'pino'
import type { LogLevel } from '../../core/config/model.ts'
import type { LogFacts, LogFollower, Logger, LogLines } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import { formatLogLine } from './human-format.ts'

/** The first element of every module name, as operators' log filters expect. */
const ROOT_MODULE = 'agent'

export interface LogOptions {
  readonly level: LogLevel
  /** One JSON object per line instead of the human form. */
  readonly json: boolean
}

/** Where finished lines go; `false` from `write` is not a signal, the sink bounds itself. */
export interface LogSink {
  write(line: string): void
  /** Lines refused since the last call. */
  takeDropped(): number
  /** Resolves when what was written has reached the reader, or after `deadlineMs`. */
  flush(deadlineMs: number): Promise<void>
}

export interface RootLogger extends Logger, LogLines {
  level: LogLevel
  flush(deadlineMs: number): Promise<void>
}

/** About 20,000 lines: enough for a burst at start, small beside the process. */
export const QUEUE_BYTES_MAX = 4 * 1024 * 1024

const RANK: Readonly<Record<LogLevel, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
}

export function createLogger(
  options: LogOptions,
  deps: { readonly clock: Clock; readonly sink: LogSink },
): RootLogger {
  const shared = new SharedState(options, deps.sink)
  const timestamp = (): string => `,"@timestamp":"${new Date(deps.clock.wall()).toISOString()}"`
  const base = pino(
    {
      base: null,
      // Filtering happens in ModuleLogger, so that one assignment changes every child.
      level: 'trace',
      messageKey: '@message',
      errorKey: 'err',
      timestamp,
      formatters: { level: (label) => ({ '@level': label }) },
      redact: {
        paths: ['token', 'secret', 'privateKeyPem', '*.token', '*.secret', '*.privateKeyPem'],
        censor: '…',
      },
    },
    { write: (line: string) => shared.write(line) },
  )
  return new ModuleLogger(base, ROOT_MODULE, shared)
}

/** Standard output through a bounded asynchronous queue. */
export function stdoutSink(deps: { readonly clock: Clock }): LogSink {
  const out = destination({ dest: 1, sync: false, maxLength: QUEUE_BYTES_MAX })
  // pino flushes synchronously when the process ends, and tries again for ever when the reader has gone or
  // stands still. What waits at a sudden end is given up; an orderly end calls flush() before.
  out.flushSync = () => {}
  let dropped = 0
  out.on('drop', () => {
    dropped++
  })
  // The reader went away (`fairlead agent | head`): there is nobody left to tell.
  out.on('error', () => {
    dropped++
  })
  return {
    write: (line) => void out.write(line),
    takeDropped: () => {
      const count = dropped
      dropped = 0
      return count
    },
    flush: async (deadlineMs) => {
      const controller = new AbortController()
      const flushed = new Promise<void>((resolve) => out.flush(() => resolve()))
      const late = deps.clock.sleep(deadlineMs, controller.signal).catch(() => undefined)
      await Promise.race([flushed, late])
      controller.abort()
    },
  }
}

/** What all modules of a logger share: how much is printed, and who else reads. */
class SharedState {
  readonly sink: LogSink
  readonly #isJson: boolean
  readonly #followers = new Set<LogFollower>()
  #level: LogLevel
  /** Of the least line that anybody wants. */
  #rankMin: number
  /** Of the line that is being written; pino writes it before it returns. */
  #rank = 0

  constructor({ level, json }: LogOptions, sink: LogSink) {
    this.sink = sink
    this.#isJson = json
    this.#level = level
    this.#rankMin = RANK[level]
  }

  get level(): LogLevel {
    return this.#level
  }

  set level(level: LogLevel) {
    this.#level = level
    this.#setRankMin()
  }

  follow(follower: LogFollower): () => void {
    this.#followers.add(follower)
    this.#setRankMin()
    return () => {
      this.#followers.delete(follower)
      this.#setRankMin()
    }
  }

  /** @returns whether a line of this level is wanted; it must be written next */
  begin(level: LogLevel): boolean {
    this.#rank = RANK[level]
    return this.#rank >= this.#rankMin
  }

  /** @param json one line with its end */
  write(json: string): void {
    const rank = this.#rank
    let human: string | undefined
    const lineFor = (isJson: boolean): string => {
      if (isJson) return json
      // pino's line is JSON by construction; parsing it back keeps its redaction and error serialisation.
      human ??= formatLogLine(JSON.parse(json))
      return human
    }
    if (rank >= RANK[this.#level]) this.sink.write(lineFor(this.#isJson))
    for (const follower of this.#followers) {
      if (rank >= RANK[follower.level]) follower.write(lineFor(follower.json))
    }
  }

  #setRankMin(): void {
    const levels = [this.#level, ...[...this.#followers].map(({ level }) => level)]
    this.#rankMin = Math.min(...levels.map((level) => RANK[level]))
  }
}

class ModuleLogger implements RootLogger {
  readonly #base: PinoLogger
  readonly #pino: PinoLogger
  readonly #module: string
  readonly #shared: SharedState

  constructor(base: PinoLogger, module: string, shared: SharedState) {
    this.#base = base
    this.#module = module
    this.#shared = shared
    this.#pino = base.child({ '@module': module })
  }

  get level(): LogLevel {
    return this.#shared.level
  }

  set level(level: LogLevel) {
    this.#shared.level = level
  }

  trace(message: string, facts?: LogFacts): void {
    this.#log('trace', message, facts)
  }

  debug(message: string, facts?: LogFacts): void {
    this.#log('debug', message, facts)
  }

  info(message: string, facts?: LogFacts): void {
    this.#log('info', message, facts)
  }

  warn(message: string, facts?: LogFacts): void {
    this.#log('warn', message, facts)
  }

  error(message: string, facts?: LogFacts): void {
    this.#log('error', message, facts)
  }

  child(component: string): Logger {
    return new ModuleLogger(this.#base, `${this.#module}.${component}`, this.#shared)
  }

  follow(follower: LogFollower): () => void {
    return this.#shared.follow(follower)
  }

  async flush(deadlineMs: number): Promise<void> {
    await this.#shared.sink.flush(deadlineMs)
  }

  #log(level: LogLevel, message: string, facts: LogFacts | undefined): void {
    if (!this.#shared.begin(level)) return
    const dropped = this.#shared.sink.takeDropped()
    if (dropped > 0) {
      this.#shared.begin('warn')
      this.#base.child({ '@module': ROOT_MODULE }).warn({ dropped }, 'log lines were dropped')
      this.#shared.begin(level)
    }
    if (facts === undefined) this.#pino[level](message)
    else this.#pino[level](facts, message)
  }
}
