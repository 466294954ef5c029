/**
 * What a secret allows at this agent, as the servers say (agent-config.md section 9, decision 0039).
 *
 * Guarantees: an answer counts for `ttlMs`; while no server answers, the down policy decides; a secret that the servers do
 * not know is refused, for UNKNOWN_MS (or `ttlMs` if less) without asking again. The recovery token is known without
 * servers: it acts on the agent itself alone. Questions about one secret are asked once at a time. The authorizer of a
 * secret stays the same object while its rules do.
 * Bound: ANSWERS_MAX answers and as many unknown secrets, the oldest first out; keyed by digest, so that secrets are not
 * kept here.
 */

import { Authorizer, type DefaultPolicy } from '../../core/acl/authorizer.ts'
import { type Bearer, tokenNotFound } from '../../core/acl/denial.ts'
import type { Rule } from '../../core/acl/rule.ts'
import { hashSecret, isSameSecret } from '../../core/acl/secret.ts'
import { sameData } from '../../core/catalog/equality.ts'
import type { DownPolicy } from '../../core/config/acl.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock, Instant } from '../../core/time.ts'

const ANSWERS_MAX = 4_096
/** Short, for a token may be asked for a moment before it is made. */
const UNKNOWN_MS = 2_000
const RECOVERY_ACCESSOR = 'agent-recovery'
const DOWN_ACCESSOR = 'unknown'

export interface TokenResolverOptions {
  readonly nodeName: string
  readonly defaultPolicy: DefaultPolicy
  readonly downPolicy: DownPolicy
  /** 0 asks each time, as a server does, which has the answer at hand. */
  readonly ttlMs: number
  readonly recoverySecret: () => string
}

export interface TokenResolverDeps {
  readonly servers: Pick<ServerApi, 'as'>
  readonly clock: Clock
  readonly log: Logger
}

interface Answer {
  readonly bearer: Bearer
  readonly rules: readonly Rule[]
  readonly at: Instant
  /** Epoch milliseconds; 0 for never. */
  readonly expiresAt: number
}

export class TokenResolver {
  readonly #options: TokenResolverOptions
  readonly #deps: TokenResolverDeps
  readonly #answers = new Map<string, Answer>()
  /** When the servers said that they do not know it. */
  readonly #unknown = new Map<string, Instant>()
  readonly #asking = new Map<string, Promise<Bearer>>()
  /** A server gives the same rules again and again. */
  readonly #authorizers = new WeakMap<readonly Rule[], Authorizer>()

  constructor(options: TokenResolverOptions, deps: TokenResolverDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** @param secret '' for none. @throws FairleadError PERMISSION_DENIED for a secret of no token */
  async resolve(secret: string): Promise<Bearer> {
    const recovery = this.#options.recoverySecret()
    if (recovery !== '' && isSameSecret(secret, recovery)) return this.#recovery()
    const key = hashSecret(secret)
    const known = this.#answers.get(key)
    const { clock } = this.#deps
    const refusedAt = this.#unknown.get(key)
    if (refusedAt !== undefined) {
      if (clock.now() - refusedAt < Math.min(UNKNOWN_MS, this.#options.ttlMs)) throw tokenNotFound()
      this.#unknown.delete(key)
    }
    if (known !== undefined && !this.#isOver(known)) {
      if (clock.now() - known.at < this.#options.ttlMs) return known.bearer
      if (this.#options.downPolicy === 'async-cache') {
        void this.#ask(key, secret).catch(() => undefined) // the next question says what came of it
        return known.bearer
      }
    }
    return this.#ask(key, secret)
  }

  #ask(key: string, secret: string): Promise<Bearer> {
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    const asked = this.#askServers(key, secret).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asked)
    return asked
  }

  async #askServers(key: string, secret: string): Promise<Bearer> {
    const { servers, clock } = this.#deps
    try {
      const api = servers.as(() => secret)
      const { value } = await api.read('acl.resolve', {}, { consistency: 'stale' })
      if (value === null) throw tokenNotFound()
      const { accessorId, rules, expiresAt } = value
      const known = this.#answers.get(key)
      const authorizer =
        known !== undefined && sameData(known.rules, rules)
          ? known.bearer.authorizer
          : this.#authorizerOf(rules)
      const bearer = { accessorId, authorizer }
      this.#answers.delete(key)
      this.#answers.set(key, { bearer, rules, at: clock.now(), expiresAt })
      forgetOldest(this.#answers)
      return bearer
    } catch (thrown) {
      const { code } = toFairleadError(thrown)
      // That is an answer; everything else is none.
      if (code === 'PERMISSION_DENIED' || code === 'ACL_DISABLED') {
        this.#answers.delete(key)
        if (code === 'PERMISSION_DENIED') {
          this.#unknown.set(key, clock.now())
          forgetOldest(this.#unknown)
        }
        throw thrown
      }
      return this.#withoutServers(key, thrown)
    }
  }

  #withoutServers(key: string, err: unknown): Bearer {
    const { downPolicy } = this.#options
    const known = this.#answers.get(key)
    this.#deps.log.debug('cannot ask the servers about a token', { err, downPolicy })
    if (downPolicy === 'allow') return this.#fixed('allow')
    const isExtended = downPolicy === 'extend-cache' || downPolicy === 'async-cache'
    if (isExtended && known !== undefined && !this.#isOver(known)) return known.bearer
    return this.#fixed('deny')
  }

  #isOver({ expiresAt }: Answer): boolean {
    return expiresAt !== 0 && expiresAt <= this.#deps.clock.wall()
  }

  #authorizerOf(rules: readonly Rule[]): Authorizer {
    let authorizer = this.#authorizers.get(rules)
    if (authorizer === undefined) {
      authorizer = new Authorizer(rules, this.#options.defaultPolicy)
      this.#authorizers.set(rules, authorizer)
    }
    return authorizer
  }

  #fixed(policy: DefaultPolicy): Bearer {
    return { accessorId: DOWN_ACCESSOR, authorizer: new Authorizer([], policy) }
  }

  #recovery(): Bearer {
    const rules: readonly Rule[] = [
      { resource: 'agent', match: 'exact', name: this.#options.nodeName, policy: 'write' },
      { resource: 'node', match: 'prefix', name: '', policy: 'read' },
    ]
    return { accessorId: RECOVERY_ACCESSOR, authorizer: new Authorizer(rules, 'deny') }
  }
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= ANSWERS_MAX) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
