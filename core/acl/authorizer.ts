/**
 * Decides what the bearer of some rules may do (http-api.md 24.3). Pure, immutable once made.
 *
 * An exact rule goes before every prefix, the longest prefix before shorter ones; where rules of several
 * policies are about the same names, deny goes before write, list and read. What no rule is about is decided
 * by the default policy, but for `acl`, which is never given by default. A look-up costs the length of the name.
 */

import {
  type Access,
  grants,
  type Level,
  type NamedResource,
  type PlainResource,
  type Resource,
  type Rule,
  stronger,
} from './rule.ts'

export type DefaultPolicy = 'allow' | 'deny'

interface NameRules {
  readonly exact: Map<string, Level>
  readonly prefix: Map<string, Level>
  /** The longest of the prefixes. */
  longest: number
}

type Named = NamedResource | 'intention'

export class Authorizer {
  readonly defaultPolicy: DefaultPolicy
  readonly #plain = new Map<PlainResource, Level>()
  readonly #named = new Map<Named, NameRules>()

  constructor(rules: readonly Rule[], defaultPolicy: DefaultPolicy) {
    this.defaultPolicy = defaultPolicy
    for (const rule of rules) this.#add(rule)
  }

  /** @param name of what it is about; '' for resources without names */
  allows(resource: Resource, access: Access, name = ''): boolean {
    switch (resource) {
      case 'acl':
        return grants(this.#plain.get('acl') ?? 'deny', access)
      case 'operator':
      case 'keyring':
        return this.#grantsPlain(this.#plain.get(resource), access)
      case 'mesh':
      case 'peering':
        return this.#grantsPlain(this.#plain.get(resource) ?? this.#plain.get('operator'), access)
      case 'intention':
        if (name === '*') {
          return access === 'read'
            ? this.allowsAny(resource, access)
            : this.allowsAll(resource, access)
        }
        return this.#grantsPlain(this.#levelOf(resource, name), access)
      default:
        return this.#grantsPlain(this.#levelOf(resource, name), access)
    }
  }

  /** Every name below the prefix too, whatever its rule. */
  allowsUnder(resource: Named, access: Access, prefix: string): boolean {
    const rules = this.#named.get(resource)
    if (!this.#grantsPlain(longestPrefix(rules, prefix), access)) return false
    for (const table of [rules?.exact, rules?.prefix]) {
      for (const [name, level] of table ?? []) {
        if (name.startsWith(prefix) && !grants(level, access)) return false
      }
    }
    return true
  }

  allowsAll(resource: Named, access: Access): boolean {
    return this.allowsUnder(resource, access, '')
  }

  /** Some name at least. */
  allowsAny(resource: Named, access: Access): boolean {
    const rules = this.#named.get(resource)
    for (const table of [rules?.exact, rules?.prefix]) {
      for (const level of table?.values() ?? []) if (grants(level, access)) return true
    }
    return this.#grantsPlain(rules?.prefix.get(''), access)
  }

  #grantsPlain(level: Level | undefined, access: Access): boolean {
    return level === undefined ? this.defaultPolicy === 'allow' : grants(level, access)
  }

  #levelOf(resource: Named, name: string): Level | undefined {
    const rules = this.#named.get(resource)
    return rules?.exact.get(name) ?? longestPrefix(rules, name)
  }

  #add(rule: Rule): void {
    if (!('match' in rule)) {
      const known = this.#plain.get(rule.resource)
      this.#plain.set(
        rule.resource,
        known === undefined ? rule.policy : stronger(known, rule.policy),
      )
      return
    }
    const { resource, match, name, policy } = rule
    if (policy !== '') this.#addNamed(resource, match, name, policy)
    if (resource !== 'service') return
    const intentions = rule.intentions ?? (policy === 'deny' ? 'deny' : 'read')
    this.#addNamed('intention', match, name, intentions)
  }

  #addNamed(resource: Named, match: 'exact' | 'prefix', name: string, level: Level): void {
    let rules = this.#named.get(resource)
    if (rules === undefined) {
      rules = { exact: new Map(), prefix: new Map(), longest: 0 }
      this.#named.set(resource, rules)
    }
    const known = rules[match].get(name)
    rules[match].set(name, known === undefined ? level : stronger(known, level))
    if (match === 'prefix') rules.longest = Math.max(rules.longest, name.length)
  }
}

function longestPrefix(rules: NameRules | undefined, name: string): Level | undefined {
  if (rules === undefined || rules.prefix.size === 0) return undefined
  for (let length = Math.min(name.length, rules.longest); length >= 0; length--) {
    const level = rules.prefix.get(name.slice(0, length))
    if (level !== undefined) return level
  }
  return undefined
}
