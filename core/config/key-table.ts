/**
 * Shapes of the table of configuration keys; the table itself is keys.ts.
 *
 * A key says what type it takes, its default as documentation prints it, and how far fairlead supports it:
 * full; none (known to Consul, named in a warning, without effect); fixed (as none, unless it is set to what is so); ignored (rightly
 * without effect here, accepted silently).
 */

export type KeyType =
  | 'string'
  | 'integer'
  | 'number'
  | 'bool'
  | 'duration'
  | 'strings'
  | 'string-map'
  | 'duration-map'
  | 'definitions'
  | 'any'

export type KeySupport = 'full' | 'none' | 'fixed' | 'ignored'

export interface KeyLeaf {
  readonly type: KeyType
  readonly support: KeySupport
  /** As the reference prints it; '' for none. */
  readonly default: string
  readonly doc: string
  readonly reload: boolean
}

export interface KeyGroup {
  readonly group: KeyTable
}

export interface KeyTable {
  readonly [key: string]: KeyLeaf | KeyGroup
}

/** A supported key. */
export function key(type: KeyType, fallback: string, doc: string, reload = false): KeyLeaf {
  return { type, support: 'full', default: fallback, doc, reload }
}

/** Known to Consul, without effect here yet. @param doc what is so instead, as a sentence without a full stop */
export function unsupported(type: KeyType, doc: string): KeyLeaf {
  return { type, support: 'none', default: '', doc, reload: false }
}

/** Of no effect, rightly as long as it asks for the one thing there is; a warning else. */
export function fixed(type: KeyType, value: boolean | string | number, doc: string): KeyLeaf {
  return { type, support: 'fixed', default: String(value), doc, reload: false }
}

export function ignored(doc: string): KeyLeaf {
  return { type: 'any', support: 'ignored', default: '', doc, reload: false }
}

export function group(table: KeyTable): KeyGroup {
  return { group: table }
}

export function unsupportedGroup(doc: string, ...names: readonly string[]): KeyGroup {
  return group(Object.fromEntries(names.map((name) => [name, unsupported('any', doc)])))
}

export function isGroup(entry: KeyLeaf | KeyGroup): entry is KeyGroup {
  return 'group' in entry
}

/** Every leaf with its dotted path. */
export function* leaves(table: KeyTable, prefix = ''): Generator<readonly [string, KeyLeaf]> {
  for (const [name, entry] of Object.entries(table)) {
    if (isGroup(entry)) yield* leaves(entry.group, `${prefix}${name}.`)
    else yield [`${prefix}${name}`, entry]
  }
}
