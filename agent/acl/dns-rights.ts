/**
 * What DNS may show: the rights of the token that this agent answers DNS with (dns.md section 15).
 *
 * Questions bring no token, so there is one answer for all of them, looked up before anybody asks and again every
 * `periodMs`, so that answering waits for nothing. Guarantees: before the first look-up, and while the token is
 * none, nothing is shown; listeners hear when what may be shown has changed. One timer.
 */

import type { Authorizer } from '../../core/acl/authorizer.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { AgentAcl } from './access.ts'

export class DnsRights implements Service {
  readonly #periodMs: number
  readonly #acl: AgentAcl
  readonly #clock: Clock
  readonly #log: Logger
  readonly #listeners = new Set<() => void>()
  #authorizer: Authorizer | undefined
  #timer: Timer | undefined
  #unfollow: (() => void) | undefined
  #isStopped = false
  #rounds = 0

  constructor(
    { periodMs }: { readonly periodMs: number },
    { acl, clock, log }: { readonly acl: AgentAcl; readonly clock: Clock; readonly log: Logger },
  ) {
    this.#periodMs = periodMs
    this.#acl = acl
    this.#clock = clock
    this.#log = log
  }

  /** Does not wait for the servers: an agent answers without them too. */
  async start(): Promise<void> {
    this.#unfollow = this.#acl.tokens.onChange(() => void this.#look())
    void this.#look()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unfollow?.()
    this.#timer?.cancel()
    this.#listeners.clear()
  }

  /** Undefined while nothing may be shown. */
  get authorizer(): Authorizer | undefined {
    return this.#authorizer
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #look(): Promise<void> {
    this.#rounds += 1
    const round = this.#rounds
    this.#timer?.cancel()
    let found: Authorizer | undefined
    try {
      found = (await this.#acl.resolver.resolve(this.#acl.tokens.dns)).authorizer
    } catch (err) {
      this.#log.warn('the token of DNS is not known to the servers: no names are answered', { err })
    }
    if (this.#isStopped || round !== this.#rounds) return
    if (found !== this.#authorizer) {
      this.#authorizer = found
      for (const listener of this.#listeners) listener()
    }
    this.#timer = this.#clock.timer(instant(this.#clock.now() + this.#periodMs), () => {
      void this.#look()
    })
  }
}
