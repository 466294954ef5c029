/**
 * Healthy instances of the services that are asked for, kept up to date by catalog views.
 *
 * Each source carries a version that grows with every change of its view; what is derived from a source is
 * void when the version has moved. Bounds: `SOURCES_MAX` services; beyond, one without instances is let go,
 * the oldest first, so that a flood of made-up names does not push out real services, else the oldest of all
 * (its view stays warm for a while in agent/view/).
 */

import type { Topic } from '../../core/catalog/feed.ts'
import type { VirtualIpRecord } from '../../core/catalog/types.ts'
import { type HealthyInstance, InstanceList } from '../../core/dns/instances.ts'
import type { CatalogViews, View } from '../view/types.ts'
import type { Versioned } from './answer-cache.ts'

export const SOURCES_MAX = 1024

/** A view with a version, and a value derived from its items at most once per version. */
export class ViewSource<T extends Topic, V> implements Versioned {
  readonly #view: View<T>
  readonly #derive: (view: View<T>) => V
  readonly #unsubscribe: () => void
  #derived: { readonly version: number; readonly value: V } | undefined
  #version = 0

  constructor(view: View<T>, derive: (view: View<T>) => V) {
    this.#view = view
    this.#derive = derive
    this.#unsubscribe = view.onChange(() => {
      this.#version++
    })
  }

  get version(): number {
    return this.#version
  }

  get isReady(): boolean {
    return this.#view.isReady
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
    this.#unsubscribe()
    this.#view.release()
  }
}

export type InstanceSource = ViewSource<'health' | 'connect', readonly HealthyInstance[]>
/** By lower-cased service name. */
export type VirtualIpSource = ViewSource<'virtual-ips', ReadonlyMap<string, VirtualIpRecord>>

export class ServiceSources {
  readonly #views: CatalogViews
  readonly #onlyPassing: boolean
  readonly #instances = new Map<string, InstanceSource>()
  #virtualIps: VirtualIpSource | undefined

  constructor(views: CatalogViews, options: { readonly onlyPassing: boolean }) {
    this.#views = views
    this.#onlyPassing = options.onlyPassing
  }

  /**
   * @param service lower case
   * @throws FairleadError RATE_LIMITED when no more views can be opened
   */
  instances(topic: 'health' | 'connect', service: string): InstanceSource {
    const key = `${topic}/${service}`
    const known = this.#instances.get(key)
    if (known !== undefined) return known
    const list = new InstanceList({ onlyPassing: this.#onlyPassing })
    const source: InstanceSource = new ViewSource(this.#views.open(topic, service), (view) =>
      list.healthy(view.items().values()),
    )
    if (this.#instances.size >= SOURCES_MAX) this.#releaseOne()
    this.#instances.set(key, source)
    return source
  }

  virtualIps(): VirtualIpSource {
    this.#virtualIps ??= new ViewSource(this.#views.open('virtual-ips', ''), byLowerCaseName)
    return this.#virtualIps
  }

  release(): void {
    for (const source of this.#instances.values()) source.release()
    this.#instances.clear()
    this.#virtualIps?.release()
    this.#virtualIps = undefined
  }

  #releaseOne(): void {
    let chosen: string | undefined
    for (const [key, source] of this.#instances) {
      chosen ??= key
      if (!source.isReady || source.value().length > 0) continue
      chosen = key
      break
    }
    if (chosen === undefined) return
    this.#instances.get(chosen)?.release()
    this.#instances.delete(chosen)
  }
}

function byLowerCaseName(view: View<'virtual-ips'>): ReadonlyMap<string, VirtualIpRecord> {
  const byName = new Map<string, VirtualIpRecord>()
  for (const record of view.items().values()) byName.set(record.service.toLowerCase(), record)
  return byName
}
