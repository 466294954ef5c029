/**
 * When this server last ran, in `<dataDir>/server_metadata.json`, so that one that was away for too long does not come
 * back with what the others have forgotten (gossip.md 11.6, agent-config.md 16).
 *
 * Guarantees: refuses before anything else has started; the time in the file is never older than WRITE_INTERVAL_MS while
 * the server runs. A file that is absent or cannot be understood refuses nobody; a write that fails is logged and tried
 * again. Trusts the wall clock of the host, as there is no other across restarts.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { ensurePrivateDirectory, writeFileAtomic } from './atomic-file.ts'

const WRITE_INTERVAL_MS = 3_600_000

export interface LastSeenOptions {
  /** '': nothing is kept, nobody is refused. */
  readonly dataDir: string
  readonly ageMaxMs: number
}

export class LastSeen implements Service {
  readonly #options: LastSeenOptions
  readonly #deps: { readonly clock: Clock; readonly log: Logger }
  readonly #path: string
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()
  #isRunning = false

  constructor(options: LastSeenOptions, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#options = options
    this.#deps = deps
    this.#path = join(options.dataDir, 'server_metadata.json')
  }

  /** @throws FairleadError INVALID_CONFIG for a server that was away for too long */
  async start(): Promise<void> {
    const { dataDir, ageMaxMs } = this.#options
    if (dataDir === '' || this.#isRunning) return
    const seen = await this.#read()
    const ageMs = seen === undefined ? 0 : this.#deps.clock.wall() - seen
    if (ageMs > ageMaxMs) {
      throw new FairleadError(
        'INVALID_CONFIG',
        `This server last ran ${formatDurationMs(Math.round(ageMs / 1000) * 1000)} ago, and server_rejoin_age_max allows ${formatDurationMs(ageMaxMs)}: the others may have forgotten what its data still has`,
        {
          facts: {
            path: this.#path,
            hint: 'raise server_rejoin_age_max if all servers were down; if the others went on, see docs/how-to/recover-a-server.md',
          },
        },
      )
    }
    this.#isRunning = true
    await this.#write()
    this.#arm()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    if (!this.#isRunning) return
    this.#isRunning = false
    await this.#writing
    await this.#write()
  }

  #arm(): void {
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + WRITE_INTERVAL_MS), () => {
      this.#writing = this.#write()
      this.#arm()
    })
  }

  async #write(): Promise<void> {
    const seconds = Math.floor(this.#deps.clock.wall() / 1000)
    try {
      await ensurePrivateDirectory(this.#options.dataDir)
      const text = `${JSON.stringify({ last_seen_unix: seconds })}\n`
      await writeFileAtomic(this.#path, text, { durable: false })
    } catch (err) {
      this.#deps.log.warn('the time this server was last seen cannot be written', { err })
    }
  }

  /** @returns epoch ms */
  async #read(): Promise<number | undefined> {
    try {
      const found: unknown = JSON.parse(await readFile(this.#path, 'utf8'))
      if (typeof found === 'object' && found !== null && 'last_seen_unix' in found) {
        const seconds = found.last_seen_unix
        if (typeof seconds === 'number' && Number.isFinite(seconds)) return seconds * 1000
      }
      this.#deps.log.warn('server_metadata.json has no time and is not used', { path: this.#path })
    } catch (err) {
      const isAbsent = err instanceof Error && 'code' in err && err.code === 'ENOENT'
      if (!isAbsent) this.#deps.log.warn('server_metadata.json cannot be read', { err })
    }
    return undefined
  }
}
