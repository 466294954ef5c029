/**
 * The discovery chains of this host's upstreams, compiled here from the config entries the agent follows.
 *
 * Guarantees: a chain is compiled once for each change of the entries. One that does not compile is not there,
 * and the log says why, once. All entries of the kinds that make chains are followed: they are few beside the
 * instances, and where they lead is known only by reading them.
 */

import type { JsonObject } from '../../core/catalog/types.ts'
import { compileChain, NO_OVERRIDES } from '../../core/chain/compile.ts'
import {
  CHAIN_KINDS,
  type ChainEntries,
  type ChainEntryKind,
  configuredProtocol,
} from '../../core/chain/entries.ts'
import { type CompiledChain, isProblem } from '../../core/chain/types.ts'
import type { Logger } from '../../core/log.ts'
import { unsupportedIn } from '../../core/mesh/routes.ts'
import type { CatalogViews, View } from '../view/types.ts'

/** Sentences that are said once; beyond it they are forgotten and may be said again. */
const SAID_MAX = 1000

export interface ChainSetDeps {
  readonly datacenter: string
  readonly views: CatalogViews
  readonly log: Logger
}

export class ChainSet {
  readonly #deps: ChainSetDeps
  readonly #views: ReadonlyMap<ChainEntryKind, View<'config'>>
  readonly #unsubscribe: (() => void)[] = []
  /** By kind, then by name in lower case, as names compare; made anew after a change. */
  #bodies: ReadonlyMap<ChainEntryKind, ReadonlyMap<string, JsonObject>> | undefined
  readonly #compiled = new Map<string, CompiledChain | undefined>()
  #trustDomain = ''
  readonly #said = new Set<string>()

  constructor(deps: ChainSetDeps) {
    this.#deps = deps
    this.#views = new Map(CHAIN_KINDS.map((kind) => [kind, deps.views.open('config', kind)]))
    this.onChange(() => this.#forget())
  }

  /** Calls back after each change of an entry, until `close`. */
  onChange(changed: () => void): void {
    for (const view of this.#views.values()) this.#unsubscribe.push(view.onChange(changed))
  }

  get isReady(): boolean {
    for (const view of this.#views.values()) if (!view.isReady) return false
    return true
  }

  /** @returns the chains of `services`; none before all entries are known */
  compile(services: Iterable<string>, trustDomain: string): Map<string, CompiledChain> {
    const chains = new Map<string, CompiledChain>()
    if (!this.isReady) return chains
    if (trustDomain !== this.#trustDomain) this.#forget()
    this.#trustDomain = trustDomain
    for (const service of services) {
      const chain = this.#compiled.has(service)
        ? this.#compiled.get(service)
        : this.#compile(service)
      this.#compiled.set(service, chain)
      if (chain !== undefined) chains.set(service, chain)
    }
    return chains
  }

  /** @returns what the entries say of a service's protocol, undefined when they say nothing */
  protocolOf(service: string): string | undefined {
    return configuredProtocol(this.#entries(), service) || undefined
  }

  /** The body of an entry; undefined where there is none, or where its kind makes no chains. */
  entry(kind: string, name: string): JsonObject | undefined {
    return isChainKind(kind) ? this.#entries().entry(kind, name) : undefined
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const view of this.#views.values()) view.release()
  }

  #compile(service: string): CompiledChain | undefined {
    const { datacenter } = this.#deps
    const chain = compileChain(
      {
        serviceName: service,
        datacenter,
        trustDomain: this.#trustDomain,
        overrides: NO_OVERRIDES,
        layer7OnLayer4: 'ignored',
      },
      this.#entries(),
    )
    if (isProblem(chain)) {
      this.#sayOnce(`${service} ${chain.problem}`, 'discovery chain does not compile', {
        service,
        problem: chain.problem,
      })
      return undefined
    }
    const fields = unsupportedIn(chain)
    if (fields.length > 0) {
      this.#sayOnce(
        `${service} ${fields}`,
        'config entries have settings the proxy does not obey',
        {
          service,
          fields,
        },
      )
    }
    return chain
  }

  #entries(): ChainEntries {
    this.#bodies ??= new Map(
      [...this.#views].map(([kind, view]) => [
        kind,
        new Map([...view.items().values()].map((entry) => [entry.name.toLowerCase(), entry.body])),
      ]),
    )
    const bodies = this.#bodies
    return { entry: (kind, name) => bodies.get(kind)?.get(name.toLowerCase()) }
  }

  #forget(): void {
    this.#bodies = undefined
    this.#compiled.clear()
  }

  #sayOnce(key: string, sentence: string, facts: Readonly<Record<string, unknown>>): void {
    if (this.#said.has(key)) return
    if (this.#said.size >= SAID_MAX) this.#said.clear()
    this.#said.add(key)
    this.#deps.log.warn(sentence, facts)
  }
}

function isChainKind(kind: string): kind is ChainEntryKind {
  return (CHAIN_KINDS as readonly string[]).includes(kind)
}
