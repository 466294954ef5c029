/**
 * Reads one configuration document against the table of keys.
 *
 * Guarantees: every unknown key, wrong type and unreadable spot of the document is reported, not the first
 * only. Key names are matched without regard to case. Keys without effect become warnings (key-table.ts).
 */

import { convertValue } from './convert.ts'
import { DROPPED, RENAMED, renamedWarning } from './deprecated.ts'
import { parseHcl } from './hcl-parser.ts'
import { parseJson } from './json-reader.ts'
import { isGroup, type KeyLeaf, type KeyTable } from './key-table.ts'
import { KEYS } from './keys.ts'
import { nearestName } from './nearest-name.ts'
import type { ConfigProblem } from './problem.ts'
import { mergeConfigs, type RawConfig, type RawEntry, type RawValue } from './raw-config.ts'
import { type SourceObject, type SourceValue, SyntaxProblem } from './source-value.ts'

export type ConfigFormat = 'hcl' | 'json'

export interface Decoded {
  readonly raw: RawConfig
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly string[]
}

/** @param name how the document is called in messages: a file path, `flag -hcl` */
export function decodeDocument(text: string, format: ConfigFormat, name: string): Decoded {
  let root: SourceObject
  try {
    // Nothing at all is a configuration too: tools make the file first and fill it later.
    root = format === 'json' && text.trim() !== '' ? parseJson(text) : parseHcl(text)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxProblem)) throw thrown
    const origin = `${name}:${thrown.at.line}:${thrown.at.column}`
    const message = `failed to parse ${name}: ${thrown.message}`
    return { raw: new Map(), warnings: [], problems: [{ key: '', message, origin, fix: '' }] }
  }
  const decoder = new Decoder(name)
  decoder.object(root, KEYS, '')
  return decoder.result()
}

/** A value given as text, for instance by a flag. */
export function decodeText(key: string, text: string, origin: string): Decoded {
  const decoder = new Decoder(origin)
  decoder.value(key, { kind: 'string', value: text, at: { line: 0, column: 0 } })
  return decoder.result()
}

class Decoder {
  readonly #name: string
  readonly #problems: ConfigProblem[] = []
  readonly #warnings: string[] = []
  readonly #parts: RawConfig[] = []

  constructor(name: string) {
    this.#name = name
  }

  result(): Decoded {
    return {
      raw: mergeConfigs(this.#parts),
      problems: this.#problems,
      warnings: [...new Set(this.#warnings)],
    }
  }

  object(object: SourceObject, table: KeyTable, prefix: string): void {
    for (const entry of object.entries) {
      const name = entry.key.toLowerCase()
      const path = `${prefix}${name}`
      const known = Object.hasOwn(table, name) ? table[name] : undefined
      if (known === undefined) this.#unknown(path, entry.value, table, prefix)
      else if (isGroup(known)) this.#group(path, entry.value, known.group)
      else this.#leaf(path, entry.value, known)
    }
  }

  /** A value whose dotted key is given, as flags do. */
  value(path: string, value: SourceValue): void {
    const current = RENAMED.get(path)
    if (current !== undefined) this.#warnings.push(renamedWarning(path, current))
    const leaf = leafAt(current ?? path)
    if (leaf !== undefined) this.#leaf(current ?? path, value, leaf)
  }

  #group(path: string, value: SourceValue, table: KeyTable): void {
    const blocks = value.kind === 'list' ? value.items : [value]
    for (const block of blocks) {
      if (block.kind === 'object') this.object(block, table, `${path}.`)
      else if (block.kind !== 'null') {
        this.#problem(path, `${path}: expected a block`, block, `write ${path} { … }`)
      }
    }
  }

  #leaf(path: string, value: SourceValue, leaf: KeyLeaf): void {
    // A JSON null stands for "not set".
    if (value.kind === 'null') return
    const origin = this.#originOf(value)
    const converted = convertValue(value, leaf.type, origin)
    if (!converted.ok) {
      this.#problem(path, `${path}: ${converted.message}`, value, converted.fix)
      return
    }
    switch (leaf.support) {
      case 'full':
        this.#parts.push(single(path, { value: converted.value, origin }))
        return
      case 'none':
        if (leaf.type === 'integer' && isOff(converted.value)) return
        this.#warnings.push(
          `${path} is not supported yet and has no effect (${origin}): ${leaf.doc}`,
        )
        return
      case 'fixed':
        if (converted.value.type === 'scalar' && String(converted.value.value) === leaf.default) {
          return
        }
        this.#warnings.push(`${path} has no effect (${origin}): ${leaf.doc}`)
        return
      case 'ignored':
        return
    }
  }

  #unknown(path: string, value: SourceValue, table: KeyTable, prefix: string): void {
    if (DROPPED.has(path)) {
      this.#warnings.push(`The '${path}' field is deprecated and has no effect.`)
      return
    }
    if (RENAMED.has(path)) {
      this.value(path, value)
      return
    }
    const near = nearestName(path.slice(prefix.length), Object.keys(table))
    const fix = near === undefined ? 'remove it' : `did you mean "${prefix}${near}"?`
    this.#problem(path, `invalid config key ${path}`, value, fix)
  }

  #problem(key: string, message: string, value: SourceValue, fix: string): void {
    this.#problems.push({ key, message, origin: this.#originOf(value), fix })
  }

  /** Flags have no lines. */
  #originOf(value: SourceValue): string {
    const { line, column } = value.at
    return line === 0 ? this.#name : `${this.#name}:${line}:${column}`
  }
}

function single(path: string, entry: RawEntry): RawConfig {
  return new Map([[path, entry]])
}

/** Off: false, nothing, or a port of -1 or 0. */
function isOff(value: RawValue): boolean {
  if (value.type === 'list') return value.value.length === 0
  return value.type === 'scalar' && [false, '', -1, 0].includes(value.value)
}

function leafAt(path: string): KeyLeaf | undefined {
  let table: KeyTable = KEYS
  for (const name of path.split('.')) {
    const entry = table[name]
    if (entry === undefined) return undefined
    if (!isGroup(entry)) return entry
    table = entry.group
  }
  return undefined
}
