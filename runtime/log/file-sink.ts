/**
 * The log in files that are turned over by size and age (agent-config.md 3.4).
 *
 * Guarantees: writing never waits for the disk, lines stay in order and whole, and none is in two files. Bounds:
 * QUEUE_BYTES_MAX wait to be written; beyond, and when the disk fails, lines are dropped and counted. A disk that works
 * again gets the lines from then on. No file is older or larger than asked, but for one line.
 */

import { Buffer } from 'node:buffer'
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock, Instant } from '../../core/time.ts'
import { type LogFileNames, logFileNames, logFilePath, oldLogFiles } from './log-files.ts'
import { type LogSink, QUEUE_BYTES_MAX } from './pino-logger.ts'

export interface FileSinkOptions {
  /** A file whose name gets the time, or a folder when it ends in a slash. */
  readonly path: string
  readonly bytesMax: number
  readonly ageMaxMs: number
  /** Files besides the one that is written to; 0 keeps all, below 0 none. */
  readonly filesMax: number
}

const MODE = 0o640

/** @throws the system's error when the first file cannot be made */
export async function openFileSink(
  options: FileSinkOptions,
  { clock }: { readonly clock: Clock },
): Promise<FileSink> {
  const sink = new FileSink(options, clock)
  await sink.turnOver()
  return sink
}

export class FileSink implements LogSink, AsyncDisposable {
  readonly #options: FileSinkOptions
  readonly #names: LogFileNames
  readonly #clock: Clock
  #file: FileHandle | undefined
  #path = ''
  #sizeBytes = 0
  #openedAt: Instant
  #queue: string[] = []
  #queuedBytes = 0
  #writing: Promise<void> | undefined
  #dropped = 0

  constructor(options: FileSinkOptions, clock: Clock) {
    this.#options = options
    this.#names = logFileNames(options.path)
    this.#clock = clock
    this.#openedAt = clock.now()
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      this.#dropped++
      return
    }
    this.#queue.push(line)
    this.#queuedBytes += bytes
    this.#writing ??= this.#writeQueued()
  }

  takeDropped(): number {
    const count = this.#dropped
    this.#dropped = 0
    return count
  }

  async flush(deadlineMs: number): Promise<void> {
    const late = new AbortController()
    const timeUp = this.#clock.sleep(deadlineMs, late.signal).catch(() => undefined)
    await Promise.race([this.#writing, timeUp])
    late.abort()
  }

  /** Lines that come later are written to a new file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#giveUpFile()
  }

  /** Begins a new file and deletes the oldest. Not while something is written. */
  async turnOver(): Promise<void> {
    const path = logFilePath(this.#names, this.#clock.wall())
    // Within one millisecond the old file is the new one, too.
    if (path === this.#path) return
    const file = await open(path, 'a', MODE)
    await this.#file?.close()
    this.#file = file
    this.#path = path
    this.#sizeBytes = (await file.stat()).size
    this.#openedAt = this.#clock.now()
    await this.#deleteOld()
  }

  /** Never rejects. */
  async #writeQueued(): Promise<void> {
    while (this.#queue.length > 0) {
      const lines = this.#takeBatch()
      try {
        if (this.#isFull) await this.turnOver()
        await this.#append(lines.join(''))
      } catch {
        // The log is where failures are told; this one is told by the count, on the other sinks.
        this.#dropped += lines.length
        await this.#giveUpFile()
      }
    }
    this.#writing = undefined
  }

  /** As many lines as the file takes, at least one. */
  #takeBatch(): readonly string[] {
    const roomBytes = this.#isFull
      ? this.#options.bytesMax
      : this.#options.bytesMax - this.#sizeBytes
    let count = 0
    let bytes = 0
    for (const line of this.#queue) {
      const next = Buffer.byteLength(line)
      if (count > 0 && this.#options.bytesMax > 0 && bytes + next > roomBytes) break
      bytes += next
      count++
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count)
  }

  get #isFull(): boolean {
    const { bytesMax, ageMaxMs } = this.#options
    if (this.#file === undefined) return true
    if (bytesMax > 0 && this.#sizeBytes >= bytesMax) return true
    return ageMaxMs > 0 && this.#clock.now() - this.#openedAt >= ageMaxMs
  }

  async #append(text: string): Promise<void> {
    const bytes = Buffer.from(text)
    await this.#file?.appendFile(bytes)
    this.#sizeBytes += bytes.length
  }

  async #giveUpFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    this.#path = ''
    await file?.close().catch(() => undefined)
  }

  async #deleteOld(): Promise<void> {
    const { folder } = this.#names
    const present = await readdir(folder)
    const old = oldLogFiles(this.#names, present, basename(this.#path), this.#options.filesMax)
    for (const name of old) await rm(join(folder, name), { force: true })
  }
}

/** Every line to both; what either refused is counted. */
export function bothSinks(first: LogSink, second: LogSink): LogSink {
  return {
    write: (line) => {
      first.write(line)
      second.write(line)
    },
    takeDropped: () => first.takeDropped() + second.takeDropped(),
    flush: async (deadlineMs) => {
      await Promise.all([first.flush(deadlineMs), second.flush(deadlineMs)])
    },
  }
}
