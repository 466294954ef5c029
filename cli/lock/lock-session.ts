/**
 * The session behind a lock: made, kept alive, ended (http-api.md section 14).
 *
 * Guarantees: says that the session is lost as soon as the servers say so, or when it could not be renewed for
 * as long as it lives. Ending it releases all that it holds.
 */

import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import type { ApiClient } from '../api-client.ts'

const TTL_MS = 15_000
const RETRY_MS = 1_000

export class LockSession {
  readonly id: string
  readonly #client: ApiClient
  readonly #clock: Clock

  private constructor(id: string, deps: LockSessionDeps) {
    this.id = id
    this.#client = deps.client
    this.#clock = deps.clock
  }

  static async create(
    name: string,
    deps: LockSessionDeps,
    signal: AbortSignal,
  ): Promise<LockSession> {
    const body = JSON.stringify({ Name: name, TTL: `${TTL_MS / 1000}s` })
    const answer = await deps.client.put('/v1/session/create', { body, signal })
    const { ID } = answer.json() as { readonly ID: string }
    return new LockSession(ID, deps)
  }

  /** Renews until the signal ends it. @throws FairleadError when the session is lost; the abort reason */
  async keep(signal: AbortSignal): Promise<never> {
    let renewedAt = this.#clock.now()
    let pauseMs = TTL_MS / 2
    for (;;) {
      await this.#clock.sleep(pauseMs, signal)
      try {
        await this.#renew(signal)
        renewedAt = this.#clock.now()
        pauseMs = TTL_MS / 2
      } catch (thrown) {
        signal.throwIfAborted()
        const error = toFairleadError(thrown)
        if (error.code === 'NOT_FOUND' || this.#clock.now() - renewedAt > TTL_MS) {
          throw new FairleadError('REJECTED', `the session is lost: ${error.message}`, {
            cause: error,
          })
        }
        pauseMs = RETRY_MS
      }
    }
  }

  async end(): Promise<void> {
    await this.#client.put(`/v1/session/destroy/${this.id}`)
  }

  async #renew(signal: AbortSignal): Promise<void> {
    await this.#client.put(`/v1/session/renew/${this.id}`, { signal })
  }
}

export interface LockSessionDeps {
  readonly client: ApiClient
  readonly clock: Clock
}
