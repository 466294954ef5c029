/**
 * On a server with `auto_encrypt.allow_tls`: the authorities of the mesh, whose certificates make clients of agents, as they
 * come and go; and who of them was revoked.
 *
 * Guarantees: a rotated root counts with the next connection, a revoked certificate of an agent for no further one.
 */

import type { CaRoots } from '../../core/catalog/types.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { MeshTrust } from '../../runtime/tls/rpc-tls.ts'
import type { CatalogViews, View } from '../view/types.ts'

export class MeshAuthorities implements Service {
  readonly #roots: View<'roots'>
  readonly #trust: (mesh: MeshTrust) => void
  #unfollow: (() => void) | undefined
  #given: CaRoots | undefined

  constructor(views: CatalogViews, trust: (mesh: MeshTrust) => void) {
    this.#roots = views.open('roots', '')
    this.#trust = trust
  }

  async start(): Promise<void> {
    this.#unfollow = this.#roots.onChange(() => this.#look())
    this.#look()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#unfollow?.()
    this.#roots.release()
  }

  #look(): void {
    const roots = this.#roots.items().get('roots')
    if (roots === undefined || roots === this.#given) return
    this.#given = roots
    const revoked = new Set((roots.revocations ?? []).map(({ kind, value }) => `${kind} ${value}`))
    this.#trust({
      authorities: roots.roots.map((root) => root.rootCertPem),
      isRevoked: (uri, serial) => revoked.has(`identity ${uri}`) || revoked.has(`serial ${serial}`),
    })
  }
}
