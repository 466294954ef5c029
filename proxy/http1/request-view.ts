/**
 * A request head as intentions (core/intentions/permissions.ts) and routes look at it: read from its canonical
 * text.
 *
 * Only made when somebody asks; fields and parameters are indexed on the first question about one.
 */

import type { VerifiedPayload } from '../../core/intentions/jwt.ts'
import type { PermissionRequest } from '../../core/intentions/permissions.ts'
import { pathOf } from './target.ts'

export class RequestView implements PermissionRequest {
  readonly method: string
  /** With the query. */
  readonly target: string
  readonly path: string
  /** Set where an intention asks for tokens. */
  payload: VerifiedPayload | undefined
  readonly #text: string
  #fields: Map<string, string> | undefined
  #parameters: URLSearchParams | undefined

  /** @param text canonical, its path normalised */
  constructor(text: string) {
    const methodEnd = text.indexOf(' ')
    this.method = text.slice(0, methodEnd)
    this.target = text.slice(methodEnd + 1, text.indexOf(' ', methodEnd + 1))
    this.path = pathOf(this.target)
    this.#text = text
  }

  header(name: string): string | undefined {
    this.#fields ??= indexFields(this.#text)
    return this.#fields.get(name)
  }

  /** @returns the first value of a parameter, decoded; undefined when it is absent */
  query(name: string): string | undefined {
    this.#parameters ??= new URLSearchParams(this.target.slice(this.path.length))
    return this.#parameters.get(name) ?? undefined
  }
}

function indexFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : `${before},${value}`)
  }
  return fields
}
