/**
 * Says who the bearer of a secret is and what he may do, out of this server's state (http-api.md 24).
 *
 * Guarantees: a token that was deleted, or whose time is over, is nobody at once; a change of a policy or role counts
 * from the next question on. Secrets are looked up by their digest (docs/decisions/0039) and kept nowhere.
 * Bound: BEARERS_MAX bearers are remembered, until access control changes.
 */

import { Authorizer, type DefaultPolicy } from '../../core/acl/authorizer.ts'
import { ANONYMOUS_SECRET, type Bearer, tokenNotFound } from '../../core/acl/denial.ts'
import type { ReadPolicy } from '../../core/acl/read-rights.ts'
import type { ResolvedToken } from '../../core/acl/records.ts'
import { hashSecret } from '../../core/acl/secret.ts'
import type { Topic } from '../../core/catalog/feed.ts'
import type { StateReader } from '../../core/catalog/store-api.ts'
import type { Clock } from '../../core/time.ts'

const BEARERS_MAX = 8_192

export interface AclAuthorityOptions extends ReadPolicy {
  readonly datacenter: string
  readonly defaultPolicy: DefaultPolicy
}

export interface AclAuthorityDeps {
  readonly store: Pick<StateReader, 'acl'>
  readonly clock: Clock
}

interface Known extends Bearer, ResolvedToken {}

export class AclAuthority {
  readonly options: AclAuthorityOptions
  readonly #deps: AclAuthorityDeps
  /** By digest. */
  readonly #known = new Map<string, Known>()
  #version = -1

  constructor(options: AclAuthorityOptions, deps: AclAuthorityDeps) {
    this.options = options
    this.#deps = deps
  }

  /** @param secret '' for none @returns undefined for a secret of no token */
  find(secret: string): (Bearer & ResolvedToken) | undefined {
    const acl = this.#deps.store.acl()
    if (acl.version !== this.#version || this.#known.size >= BEARERS_MAX) {
      this.#known.clear()
      this.#version = acl.version
    }
    const hash = hashSecret(secret === '' ? ANONYMOUS_SECRET : secret)
    let known = this.#known.get(hash)
    if (known === undefined) {
      const token = acl.tokenByHash(hash)
      if (token === undefined) return undefined
      const rules = acl.rulesOf(token, this.options.datacenter)
      const authorizer = new Authorizer(rules, this.options.defaultPolicy)
      known = { accessorId: token.accessorId, authorizer, rules, expiresAt: token.expiresAt }
      this.#known.set(hash, known)
    }
    const isOver = known.expiresAt !== 0 && known.expiresAt <= this.#deps.clock.wall()
    return isOver ? undefined : known
  }

  /** @throws FairleadError PERMISSION_DENIED */
  bearerOf(secret: string): Bearer & ResolvedToken {
    const found = this.find(secret)
    if (found === undefined) throw tokenNotFound()
    return found
  }

  /** Another number whenever what tokens may do may have changed. */
  version(): number {
    return this.#deps.store.acl().version
  }

  /** Agents may follow the catalog: what they show of it they filter themselves (docs/decisions/0039). */
  mayFollow(secret: string, topic: Topic): boolean {
    const may = this.find(secret)?.authorizer
    if (may === undefined) return false
    if (topic === 'roots') return true
    if (may.allowsAny('node', 'write')) return true
    return may.allowsAll('node', 'read') && may.allowsAll('service', 'read')
  }
}
