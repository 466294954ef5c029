/**
 * Leaf certificates by service name, for the HTTP API: puts names into this cluster's SPIFFE form.
 */

import { serviceSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { CatalogViews, View } from '../view/types.ts'
import { type LeafStore, signingKeyIdOf } from './leaf-store.ts'
import type { LeafSource } from './types.ts'

export class MeshLeafSource implements LeafSource {
  readonly #datacenter: string
  readonly #leaves: LeafStore
  readonly #roots: View<'roots'>

  constructor(datacenter: string, leaves: LeafStore, views: CatalogViews) {
    this.#datacenter = datacenter
    this.#leaves = leaves
    this.#roots = views.open('roots', '')
  }

  leaf: LeafSource['leaf'] = async (service, options = {}) => {
    await this.#roots.ready(options.signal)
    const roots = this.#roots.items().get('roots')
    this.#leaves.signerChanged(signingKeyIdOf(roots))
    const uri = serviceSpiffeUri(roots?.trustDomain ?? '', this.#datacenter, service)
    return await this.#leaves.get(uri, options)
  }
}
