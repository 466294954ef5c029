/**
 * The names under which figures leave the process, and which of them do (agent-config.md 12). Pure.
 *
 * `<prefix>.<name>`; gauges have the name of the host in between unless that is switched off. A rule of the
 * filter that begins with `+` lets names with that prefix through, `-` holds them back; the longest rule that
 * fits counts, and `default` where none does. Rules are matched against the whole name, with and without the
 * host, so that a rule need not know on which host it is read.
 */

import type { MetricDefinition } from './definition.ts'

export interface NameRule {
  readonly prefix: string
  readonly isAllowed: boolean
}

export interface NameFilter {
  readonly rules: readonly NameRule[]
  readonly default: boolean
}

export interface NamingOptions {
  readonly prefix: string
  /** '' leaves it out. */
  readonly host: string
  readonly filter: NameFilter
}

export class MetricNaming {
  readonly #prefix: string
  readonly #host: string
  #filter: NameFilter
  #known = new Map<string, string | undefined>()

  constructor({ prefix, host, filter }: NamingOptions) {
    this.#prefix = prefix === '' ? '' : `${prefix}.`
    // A dot in it would read as two parts.
    this.#host = host === '' ? '' : `${host.replaceAll('.', '_')}.`
    this.#filter = filter
  }

  /** Takes effect on what is shown from now on. */
  set filter(filter: NameFilter) {
    this.#filter = filter
    this.#known = new Map()
  }

  /** @returns undefined for what the filter holds back */
  nameOf(definition: MetricDefinition): string | undefined {
    const { name } = definition
    if (this.#known.has(name)) return this.#known.get(name)
    const plain = `${this.#prefix}${name}`
    const full = definition.kind === 'gauge' ? `${this.#prefix}${this.#host}${name}` : plain
    const shown = this.#isAllowed(full, plain) ? full : undefined
    this.#known.set(name, shown)
    return shown
  }

  #isAllowed(full: string, plain: string): boolean {
    let best: NameRule | undefined
    for (const rule of this.#filter.rules) {
      if (!full.startsWith(rule.prefix) && !plain.startsWith(rule.prefix)) continue
      if (best === undefined || rule.prefix.length > best.prefix.length) best = rule
    }
    return best?.isAllowed ?? this.#filter.default
  }
}
