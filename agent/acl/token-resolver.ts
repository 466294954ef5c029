/**
 * What a secret allows at this agent, as the servers say (agent-config.md section 9, decision 0039).
 *
 * Guarantees: an answer counts for `ttlMs`; while no server answers, the down policy decides; a secret that the servers do
 * not know is refused at once and not remembered. The recovery token is known without servers: it acts on the agent
 * itself alone. Questions about one secret are asked once at a time.
 * Bound: ANSWERS_MAX answers, the oldest first out; keyed by digest, so that secrets are not kept here.
 */

import { Authorizer, type DefaultPolicy } from '../../core/acl/authorizer.ts'
import { type Bearer, tokenNotFound } from '../../core/acl/denial.ts'
import type { Rule } from '../../core/acl/rule.ts'
import { hashSecret, isSameSecret } from '../../core/acl/secret.ts'
import type { DownPolicy } from '../../core/config/acl.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock, Instant } from '../../core/time.ts'

const ANSWERS_MAX = 4_096
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
  readonly at: Instant
  /** Epoch milliseconds; 0 for never. */
  readonly expiresAt: number
}

export class TokenResolver {
  readonly #options: TokenResolverOptions
  readonly #deps: TokenResolverDeps
  readonly #answers = new Map<string, Answer>()
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
      const bearer = { accessorId, authorizer: this.#authorizerOf(rules) }
      this.#answers.delete(key)
      this.#answers.set(key, { bearer, at: clock.now(), expiresAt })
      this.#forgetOldest()
      return bearer
    } catch (thrown) {
      const { code } = toFairleadError(thrown)
      // That is an answer; everything else is none.
      if (code === 'PERMISSION_DENIED' || code === 'ACL_DISABLED') {
        this.#answers.delete(key)
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

  #forgetOldest(): void {
    if (this.#answers.size <= ANSWERS_MAX) return
    const oldest = this.#answers.keys().next()
    if (oldest.done !== true) this.#answers.delete(oldest.value)
  }
}
