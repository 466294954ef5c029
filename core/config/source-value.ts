/**
 * A configuration document as read, before any meaning: values that remember where they stood.
 *
 * Both readers (hcl-parser.ts, json-reader.ts) produce this, so that everything after them is one path.
 * An object keeps repeated keys in order, because an HCL block may be repeated.
 */

import type { Json } from '../catalog/types.ts'

/** 1-based, as editors count. */
export interface Position {
  readonly line: number
  readonly column: number
}

export type SourceValue =
  | { readonly kind: 'string'; readonly value: string; readonly at: Position }
  | { readonly kind: 'number'; readonly value: number; readonly at: Position }
  | { readonly kind: 'bool'; readonly value: boolean; readonly at: Position }
  | { readonly kind: 'null'; readonly at: Position }
  | { readonly kind: 'list'; readonly items: readonly SourceValue[]; readonly at: Position }
  | SourceObject

export interface SourceObject {
  readonly kind: 'object'
  readonly entries: readonly SourceEntry[]
  readonly at: Position
}

export interface SourceEntry {
  readonly key: string
  readonly at: Position
  readonly value: SourceValue
}

/** A document that cannot be read; `at` is where reading stopped. */
export class SyntaxProblem extends Error {
  override readonly name = 'SyntaxProblem'
  readonly at: Position

  constructor(message: string, at: Position, options?: { readonly cause: unknown }) {
    super(message, options)
    this.at = at
  }
}

/** Largest configuration document, in characters. */
export const DOCUMENT_LENGTH_MAX = 4 * 1024 * 1024

/** Deepest nesting of lists and objects. */
export const DEPTH_MAX = 64

/**
 * The value as plain data. A key that stands once keeps its value; one that is repeated (blocks) becomes
 * a list of its values, in order. `__proto__` is an ordinary key of the result.
 */
export function toPlain(value: SourceValue): Json {
  switch (value.kind) {
    case 'string':
    case 'number':
    case 'bool':
      return value.value
    case 'null':
      return null
    case 'list':
      return value.items.map(toPlain)
    case 'object': {
      const grouped = new Map<string, SourceValue[]>()
      for (const { key, value: child } of value.entries) {
        const group = grouped.get(key)
        if (group === undefined) grouped.set(key, [child])
        else group.push(child)
      }
      const pairs = [...grouped].map(([key, group]): [string, Json] => {
        const [first, ...rest] = group
        return [key, first === undefined || rest.length > 0 ? group.map(toPlain) : toPlain(first)]
      })
      return Object.fromEntries(pairs)
    }
  }
}

/** For error texts: `the string "abc"`, `a list`. */
export function describeValue(value: SourceValue): string {
  switch (value.kind) {
    case 'string':
      return JSON.stringify(value.value.length > 80 ? `${value.value.slice(0, 80)}…` : value.value)
    case 'number':
    case 'bool':
      return String(value.value)
    case 'null':
      return 'null'
    case 'list':
      return 'a list'
    case 'object':
      return 'a block'
  }
}
