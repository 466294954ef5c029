/**
 * Changes of a head's canonical text that routes ask for: fields removed, set, added; the path rewritten
 * (mesh.md 10.8).
 *
 * Guarantees: the first line and the framing stay what they were, whatever the configuration says
 * (core/config-entries/header-edits.ts).
 */

import { isEditableHeader, isHeaderValue } from '../../core/config-entries/header-edits.ts'
import type { HeaderEdits } from '../../core/mesh/proxy-snapshot.ts'

/** Compiled once for each configuration. */
export class HeadEdits {
  /** Lower case: taken out, because they are removed or set. */
  readonly #cut: ReadonlySet<string>
  /** Lines with their CRLF. */
  readonly #lines: string

  private constructor(cut: ReadonlySet<string>, lines: string) {
    this.#cut = cut
    this.#lines = lines
  }

  /** @returns undefined when nothing is to be done */
  static of(edits: HeaderEdits | undefined): HeadEdits | undefined {
    if (edits === undefined) return undefined
    const cut = new Set(
      [...edits.remove, ...edits.set.map(([name]) => name)].filter(isEditableHeader),
    )
    let lines = ''
    for (const [name, value] of [...edits.set, ...edits.add]) {
      if (isEditableHeader(name) && isHeaderValue(value)) lines += `${name}: ${value}\r\n`
    }
    return cut.size === 0 && lines === '' ? undefined : new HeadEdits(cut, lines)
  }

  /** @param text canonical, ending in CRLF. @returns the same with the changes */
  apply(text: string): string {
    return (this.#cut.size === 0 ? text : withoutFields(text, this.#cut)) + this.#lines
  }
}

/** @param names lower case */
export function withoutFields(text: string, names: ReadonlySet<string>): string {
  const lineEnd = text.indexOf('\r\n') + 2
  let out = text.slice(0, lineEnd)
  for (let at = lineEnd; at < text.length; ) {
    const end = text.indexOf('\r\n', at) + 2
    const colon = text.indexOf(':', at)
    if (!names.has(text.slice(at, colon).toLowerCase())) out += text.slice(at, end)
    at = end
  }
  return out
}

/** Replaces the target in the first line, and says what it was. */
export function withTarget(text: string, target: string): string {
  const from = text.indexOf(' ') + 1
  const to = text.indexOf(' ', from)
  return `${text.slice(0, from)}${target}${text.slice(to)}x-envoy-original-path: ${text.slice(from, to)}\r\n`
}
