/**
 * What DNS was asked about, kept up to date by catalog views: healthy instances, nodes, owners of addresses.
 *
 * Each source carries a version that grows with every change of its view; what is derived from a source is
 * void when the version has moved. Bounds: `SOURCES_MAX` services, nodes and addresses each; beyond, one with nothing
 * in it is let go, the oldest first, so that a flood of made-up names does not push out real ones, else the oldest
 * of all (its view stays warm for a while in agent/view/).
 */

import type { Authorizer } from '../../core/acl/authorizer.ts'
import { seesInstance } from '../../core/acl/read-rights.ts'
import type { AddressOwner, Topic } from '../../core/catalog/feed.ts'
import type { NodeRecord, VirtualIpRecord } from '../../core/catalog/types.ts'
import { type HealthyInstance, InstanceList } from '../../core/dns/instances.ts'
import type { CatalogViews, View } from '../view/types.ts'
import type { Versioned } from './answer-cache.ts'

export const SOURCES_MAX = 1024
/** Version of a source that may not be used: no answer was ever made from it. */
const TOO_OLD = -1

/** A view with a version, and a value derived from its items at most once per version. */
export class ViewSource<T extends Topic, V> implements Versioned {
  readonly #view: View<T>
  readonly #rights: SourceRights | undefined
  readonly #derive: (view: View<T>) => V
  readonly #maxStaleMs: number
  readonly #unsubscribe: readonly (() => void)[]
  #derived: { readonly version: number; readonly value: V } | undefined
  #version = 0

  constructor(
    view: View<T>,
    derive: (view: View<T>) => V,
    { maxStaleMs, rights }: Pick<SourceOptions, 'maxStaleMs' | 'rights'>,
  ) {
    this.#view = view
    this.#derive = derive
    this.#maxStaleMs = maxStaleMs
    this.#rights = rights
    const moved = (): void => {
      this.#version++
    }
    this.#unsubscribe = [view.onChange(moved), rights?.onChange(moved) ?? (() => {})]
  }

  /** Moves with every change, and away while the view is too old, so that kept answers are not used then. */
  get version(): number {
    return this.isTooOld ? TOO_OLD : this.#version
  }

  get isReady(): boolean {
    return this.#view.isReady
  }

  /** No server has confirmed the view for longer than answers may be old. */
  get isTooOld(): boolean {
    if (this.#rights !== undefined && this.#rights.authorizer === undefined) return true
    return this.#view.staleMs > this.#maxStaleMs
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#view.ready(signal)
  }

  value(): V {
    if (this.#derived?.version !== this.#version) {
      this.#derived = { version: this.#version, value: this.#derive(this.#view) }
    }
    return this.#derived.value
  }

  release(): void {
    this.#version++
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#view.release()
  }
}

export type InstanceSource = ViewSource<'health' | 'connect', readonly HealthyInstance[]>
export type NodeSource = ViewSource<'node', readonly NodeRecord[]>
export type OwnerSource = ViewSource<'address', readonly AddressOwner[]>
/** By lower-cased service name. */
export type VirtualIpSource = ViewSource<'virtual-ips', ReadonlyMap<string, VirtualIpRecord>>

/** What may be shown; absent where everything may. */
export interface SourceRights {
  /** Undefined while nothing may be. */
  readonly authorizer: Authorizer | undefined
  onChange(listener: () => void): () => void
}

export interface SourceOptions {
  readonly onlyPassing: boolean
  readonly maxStaleMs: number
  readonly rights?: SourceRights | undefined
}

export class CatalogSources {
  readonly #views: CatalogViews
  readonly #options: SourceOptions
  readonly #instances = new SourcePool<'health' | 'connect', HealthyInstance>()
  readonly #nodes = new SourcePool<'node', NodeRecord>()
  readonly #owners = new SourcePool<'address', AddressOwner>()
  #virtualIps: VirtualIpSource | undefined

  constructor(views: CatalogViews, options: SourceOptions) {
    this.#views = views
    this.#options = options
  }

  /**
   * @param service lower case
   * @throws FairleadError RATE_LIMITED when no more views can be opened; so do the others
   */
  instances(topic: 'health' | 'connect', service: string): InstanceSource {
    const { onlyPassing, rights } = this.#options
    return this.#instances.get(`${topic}/${service}`, () => {
      const list = new InstanceList({ onlyPassing })
      const view = this.#views.open(topic, service)
      const healthy = (shown: View<'health' | 'connect'>): readonly HealthyInstance[] => {
        if (rights === undefined) return list.healthy(shown.items().values())
        const entries = [...shown.items().values()]
        const may = rights.authorizer
        return list.healthy(
          may === undefined ? [] : entries.filter((entry) => seesInstance(entry, may)),
        )
      }
      return new ViewSource(view, healthy, this.#options)
    })
  }

  /** @param name lower case */
  node(name: string): NodeSource {
    return this.#nodes.get(name, () => this.#plain('node', name))
  }

  /** @param ip as core/dns/ip.ts prints it */
  owners(ip: string): OwnerSource {
    return this.#owners.get(ip, () => this.#plain('address', ip))
  }

  virtualIps(): VirtualIpSource {
    this.#virtualIps ??= new ViewSource(
      this.#views.open('virtual-ips', ''),
      (view) => byLowerCaseName(view, this.#options.rights),
      this.#options,
    )
    return this.#virtualIps
  }

  release(): void {
    this.#instances.release()
    this.#nodes.release()
    this.#owners.release()
    this.#virtualIps?.release()
    this.#virtualIps = undefined
  }

  #plain<T extends 'node' | 'address'>(topic: T, key: string) {
    const view = this.#views.open(topic, key)
    const { rights } = this.#options
    return new ViewSource(
      view,
      (shown) => [...shown.items().values()].filter((item) => isSeen(item, rights)),
      this.#options,
    )
  }
}

/** Sources by key, of which a bounded number is kept. */
class SourcePool<T extends Topic, I> {
  readonly #sources = new Map<string, ViewSource<T, readonly I[]>>()

  get(key: string, open: () => ViewSource<T, readonly I[]>): ViewSource<T, readonly I[]> {
    const known = this.#sources.get(key)
    if (known !== undefined) return known
    const source = open()
    if (this.#sources.size >= SOURCES_MAX) this.#releaseOne()
    this.#sources.set(key, source)
    return source
  }

  release(): void {
    for (const source of this.#sources.values()) source.release()
    this.#sources.clear()
  }

  #releaseOne(): void {
    let chosen: string | undefined
    for (const [key, source] of this.#sources) {
      chosen ??= key
      if (!source.isReady || source.value().length > 0) continue
      chosen = key
      break
    }
    if (chosen === undefined) return
    this.#sources.get(chosen)?.release()
    this.#sources.delete(chosen)
  }
}

function isSeen(item: NodeRecord | AddressOwner, rights: SourceRights | undefined): boolean {
  if (rights === undefined) return true
  const name = 'node' in item ? item.node : item.name
  const kind = 'node' in item ? 'node' : item.kind
  return rights.authorizer?.allows(kind, 'read', name) === true
}

function byLowerCaseName(
  view: View<'virtual-ips'>,
  rights: SourceRights | undefined,
): ReadonlyMap<string, VirtualIpRecord> {
  const byName = new Map<string, VirtualIpRecord>()
  for (const record of view.items().values()) {
    const isHidden =
      rights !== undefined && rights.authorizer?.allows('service', 'read', record.service) !== true
    if (!isHidden) byName.set(record.service.toLowerCase(), record)
  }
  return byName
}
