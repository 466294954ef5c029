/**
 * Writes lines of access logs to a file or to the agent's output, off the path of requests.
 *
 * Lines are gathered for FLUSH_MS and written as one piece; while a write is under way more may wait, up to
 * BUFFER_MAX characters, beyond which lines are dropped and counted. A file that was moved away, as logrotate does,
 * is opened anew within REOPEN_MS; one that cannot be opened is complained of once and tried again.
 */

import { type FileHandle, open, stat } from 'node:fs/promises'
import { compileLogFormat, type LineWriter } from '../../core/exchange/log-format.ts'
import type { ExchangeRecord } from '../../core/exchange/record.ts'
import type { Logger } from '../../core/log.ts'
import type { AccessLogSettings } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'

const FLUSH_MS = 200
const BUFFER_MAX = 4 * 1024 * 1024
const REOPEN_MS = 1000

/** Takes text for the output of the agent. @returns false when it cannot take it */
export type Output = (stream: 'stdout' | 'stderr', text: string) => boolean

export interface AccessLogDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly rng: Rng
  readonly hostname: string
  readonly output: Output
}

export class AccessLog {
  dropped = 0
  readonly settings: AccessLogSettings
  readonly #deps: AccessLogDeps
  readonly #line: LineWriter
  #waiting: string[] = []
  #waitingChars = 0
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #file: FileHandle | undefined
  #inode = 0
  #lookedAt = 0
  #hasComplained = false
  #isClosed = false

  constructor(settings: AccessLogSettings, deps: AccessLogDeps) {
    this.settings = settings
    this.#deps = deps
    this.#line = compileLogFormat(settings.format, { hostname: deps.hostname })
  }

  /** Whether a request of this local service is among those that are logged. */
  wants(service: string): boolean {
    const percent = this.settings.percents[service] ?? this.settings.percent
    return percent >= 100 || (percent > 0 && this.#deps.rng.float() * 100 < percent)
  }

  write(record: ExchangeRecord): void {
    if (this.#isClosed || this.#waitingChars >= BUFFER_MAX) {
      this.dropped++
      return
    }
    const line = this.#line(record)
    this.#waiting.push(line)
    this.#waitingChars += line.length
    if (this.#writing !== undefined) return
    const { clock } = this.#deps
    this.#timer ??= clock.timer(instant(clock.now() + FLUSH_MS), () => void this.#flush())
  }

  /** Writes what waits, then closes the file. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#writing
    await this.#flush()
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
  }

  async #flush(): Promise<void> {
    this.#timer = undefined
    this.#writing = this.#writeAll()
    await this.#writing
    this.#writing = undefined
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting
      this.#waiting = []
      this.#waitingChars = 0
      if (!(await this.#put(lines.join('')))) this.dropped += lines.length
    }
  }

  async #put(text: string): Promise<boolean> {
    const { sink } = this.settings
    if (sink.kind !== 'file') return this.#deps.output(sink.kind, text)
    try {
      const file = await this.#openFile(sink.path)
      await file.appendFile(text)
      this.#hasComplained = false
      return true
    } catch (err) {
      if (!this.#hasComplained) {
        this.#hasComplained = true
        this.#deps.log.warn('cannot write the access log', { path: sink.path, err })
      }
      await this.#file?.close().catch(() => undefined)
      this.#file = undefined
      return false
    }
  }

  async #openFile(path: string): Promise<FileHandle> {
    const now = this.#deps.clock.now()
    if (this.#file !== undefined && now - this.#lookedAt >= REOPEN_MS) {
      this.#lookedAt = now
      const there = await stat(path).catch(() => undefined)
      if (there?.ino !== this.#inode) {
        await this.#file.close()
        this.#file = undefined
      }
    }
    if (this.#file === undefined) {
      this.#file = await open(path, 'a', 0o640)
      this.#inode = (await this.#file.stat()).ino
      this.#lookedAt = now
    }
    return this.#file
  }
}
