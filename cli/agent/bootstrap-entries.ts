/**
 * Config entries of the configuration, written where there is none of their kind and name (agent-config.md 3.4).
 *
 * Guarantees: what exists is never changed, also when several servers write at once; they are written in the order
 * given, after the servers have a leader, however long that takes. One that is refused is logged and left out.
 */

import { configEntryFromBody } from '../../agent/http/decode/config-entry-body.ts'
import { intentionsOfEntry } from '../../agent/http/decode/intention-body.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { JsonObject } from '../../core/catalog/types.ts'
import { ERRORS, FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import { type Clock, wallTime } from '../../core/time.ts'
import { shapedEntry } from '../config-entry-file.ts'

/** An entry that was judged, as far as it can be without the others. */
export interface BootstrapEntry {
  readonly kind: string
  readonly name: string
  readonly body: JsonObject
}

/** @throws FairleadError BAD_REQUEST, REJECTED */
export function bootstrapEntryOf(body: JsonObject): BootstrapEntry {
  const { entryKind, ...entry } = configEntryFromBody(JSON.stringify(shapedEntry(body)))
  if (entryKind === INTENTIONS) intentionsOfEntry(entry.name, entry.body)
  return { kind: entryKind, ...entry }
}

export interface BootstrapEntriesDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly servers: Pick<ServerApi, 'write'>
}

const INTENTIONS = 'service-intentions'
const RETRY_MS = 1_000

export class BootstrapEntries implements Service {
  readonly #deps: BootstrapEntriesDeps
  #entries: readonly BootstrapEntry[]
  #ending = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #isStarted = false
  #isStopped = false

  constructor(entries: readonly BootstrapEntry[], deps: BootstrapEntriesDeps) {
    this.#entries = entries
    this.#deps = deps
  }

  /** Begins, and does not wait for a leader: an agent serves without one too. */
  async start(): Promise<void> {
    if (this.#isStarted || this.#isStopped) return
    this.#isStarted = true
    this.#work = this.#writeAll(this.#entries, this.#ending.signal)
  }

  /** After a reload: what is missing is written, as at the start. */
  async replace(entries: readonly BootstrapEntry[]): Promise<void> {
    this.#entries = entries
    if (!this.#isStarted || this.#isStopped) return
    this.#ending.abort(STOPPING)
    await this.#work
    // A stop that came meanwhile has seen the former work only.
    if (this.#isStopped) return
    this.#ending = new AbortController()
    this.#work = this.#writeAll(entries, this.#ending.signal)
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#ending.abort(STOPPING)
    await this.#work
  }

  async #writeAll(entries: readonly BootstrapEntry[], signal: AbortSignal): Promise<void> {
    for (const entry of entries) {
      if (signal.aborted) return
      await this.#writeOne(entry, signal)
    }
  }

  /** Never rejects. */
  async #writeOne(entry: BootstrapEntry, signal: AbortSignal): Promise<void> {
    const { clock, log, servers } = this.#deps
    const facts = { kind: entry.kind, name: entry.name }
    while (!signal.aborted) {
      try {
        const result = await servers.write(this.#commandOf(entry), { signal })
        if (result.ok && result.value !== false)
          log.info('wrote a config entry of the files', facts)
        return
      } catch (thrown) {
        if (signal.aborted) return
        const err = toFairleadError(thrown)
        if (!ERRORS[err.code].retryable && err.code !== 'OUTCOME_UNKNOWN') {
          log.error('a config entry of the files is refused', { ...facts, err })
          return
        }
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  /** Compare and set with 0 writes only where there is nothing. */
  #commandOf({ kind, name, body }: BootstrapEntry): Command {
    if (kind !== INTENTIONS) return { kind: 'config.set', entryKind: kind, name, body, cas: 0 }
    return {
      kind: 'intention.replace',
      destinationName: name,
      intentions: intentionsOfEntry(name, body),
      cas: 0,
      now: wallTime(this.#deps.clock.wall()),
    }
  }
}

const STOPPING = new FairleadError('SHUTTING_DOWN', 'The entries are not to be written any more')
