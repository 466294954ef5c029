/**
 * The watches of the configuration: each follows the agent's own API and runs its handler (agent-config.md section 10).
 *
 * Handlers run one after another for one watch, those of different watches side by side. A handler that fails is
 * logged and not repeated: it runs again with the next change. At a reload a watch that stayed the same goes on and
 * does not run its handler; a new one runs it once. Guarantees: after `stop` no handler runs.
 */

import { isDeepStrictEqual } from 'node:util'
import type { WatchDefinition } from '../../core/config/watches.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { WatchNews } from '../../core/watch/watch-progress.ts'
import { callUrl } from '../../runtime/handler/http-handler.ts'
import { runScript } from '../../runtime/handler/script-handler.ts'
import { ApiClient } from '../api-client.ts'
import type { Arguments } from '../command.ts'
import { followWatch } from '../watch/watch-loop.ts'

export interface ConfiguredWatchesDeps {
  readonly clock: Clock
  readonly log: Logger
  /** `host:port` of the agent's own API, once that has started. */
  readonly apiAddress: () => string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

interface RunningWatch {
  readonly definition: WatchDefinition
  readonly ending: AbortController
  readonly ended: Promise<void>
}

export class ConfiguredWatches implements Service {
  readonly #deps: ConfiguredWatchesDeps
  #definitions: readonly WatchDefinition[]
  #running: readonly RunningWatch[] = []
  #isStarted = false
  #isStopped = false

  constructor(definitions: readonly WatchDefinition[], deps: ConfiguredWatchesDeps) {
    this.#definitions = definitions
    this.#deps = deps
  }

  async start(): Promise<void> {
    if (this.#isStarted || this.#isStopped) return
    this.#isStarted = true
    this.#running = this.#definitions.map((definition) => this.#begin(definition))
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    await end(this.#running)
  }

  /** Those that stayed the same go on. */
  async replace(definitions: readonly WatchDefinition[]): Promise<void> {
    this.#definitions = definitions
    if (!this.#isStarted || this.#isStopped) return
    const former = [...this.#running]
    const next: (RunningWatch | WatchDefinition)[] = definitions.map((definition) => {
      const at = former.findIndex((watch) => isDeepStrictEqual(watch.definition, definition))
      const [same] = at < 0 ? [] : former.splice(at, 1)
      return same ?? definition
    })
    // A handler of a former run must not run beside one of the new.
    await end(former)
    if (this.#isStopped) return
    this.#running = next.map((watch) => ('ended' in watch ? watch : this.#begin(watch)))
  }

  #begin(definition: WatchDefinition): RunningWatch {
    const { clock, log, apiAddress } = this.#deps
    const { target } = definition
    const ending = new AbortController()
    const follow = async (): Promise<void> => {
      try {
        await followWatch(target, {
          client: clientOf(apiAddress() ?? '', definition),
          clock,
          signal: ending.signal,
          onNews: (news) => this.#handle(definition, news, ending.signal),
          onFailure: (err, retryMs) => {
            log.warn('watch cannot read', { type: target.type, path: target.path, retryMs, err })
          },
        })
      } catch (thrown) {
        if (ending.signal.aborted) return
        log.error('watch has ended', { type: target.type, err: toFairleadError(thrown) })
      }
    }
    return { definition, ending, ended: follow() }
  }

  async #handle(
    { handler, target }: WatchDefinition,
    { json, mark }: WatchNews,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log, env } = this.#deps
    const facts = { type: target.type, path: target.path }
    try {
      if (handler.kind === 'http') {
        const { url, method, timeoutMs, tlsSkipVerify } = handler
        const headers = {
          ...handler.headers,
          'Content-Type': ['application/json'],
          'X-Consul-Index': [mark],
        }
        const call = { url, method, headers, body: json, timeoutMs, tlsSkipVerify, signal }
        const { status, body } = await callUrl(call, { clock })
        if (status < 400) log.debug('watch called its URL', { ...facts, status })
        else log.warn('watch was refused by its URL', { ...facts, status, output: body })
        return
      }
      const { code, killedBy, output } = await runScript(
        {
          args: handler.args,
          input: `${json}\n`,
          env: { ...env, CONSUL_INDEX: mark },
          output: 'collect',
          signal,
        },
        { clock },
      )
      const said = { ...facts, program: handler.args[0], output }
      if (code === 0) log.debug('watch ran its handler', said)
      else log.warn('handler of a watch failed', { ...said, code, signal: killedBy })
    } catch (thrown) {
      signal.throwIfAborted()
      log.warn('handler of a watch failed', { ...facts, err: toFairleadError(thrown) })
    }
  }
}

async function end(watches: readonly RunningWatch[]): Promise<void> {
  for (const { ending } of watches) ending.abort()
  await Promise.all(watches.map(({ ended }) => ended))
}

/** Of this agent's API, in the words of the command line. */
function clientOf(address: string, { datacenter, token, stale }: WatchDefinition): ApiClient {
  const texts = new Map([
    ['http-addr', address],
    ['token', token],
    ['datacenter', datacenter],
  ])
  const args: Arguments = {
    positionals: [],
    has: (flag) => texts.has(flag),
    bool: (flag) => flag === 'stale' && stale,
    text: (flag) => texts.get(flag) || undefined,
    list: () => [],
    ordered: () => [],
    map: () => ({}),
  }
  return new ApiClient(args, { env: {} })
}
