/**
 * Request targets: which form, and path normalisation for listeners that judge paths (mesh.md 10.11).
 *
 * Normalisation decodes unreserved characters, turns `\` into `/` and removes dot segments (RFC 3986 6.2.2);
 * repeated slashes and escaped slashes stay. Applying it twice changes nothing. The query is never touched.
 */

import { HEX_VALUE } from './bytes.ts'

export type TargetForm =
  | { readonly kind: 'origin' }
  | { readonly kind: 'asterisk' }
  | { readonly kind: 'absolute'; readonly authority: string; readonly path: string }

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i
const UNRESERVED = /[A-Za-z0-9\-._~]/

/** @returns undefined when the target is in none of the forms a server takes (RFC 9112 3.2) */
export function targetForm(target: string, isOptions: boolean): TargetForm | undefined {
  if (target.startsWith('/')) return { kind: 'origin' }
  if (target === '*') return isOptions ? { kind: 'asterisk' } : undefined
  const match = ABSOLUTE.exec(target)
  if (match === null) return undefined
  const authority = match[1] ?? ''
  const rest = match[2] ?? ''
  if (authority === '' || authority.includes('@')) return undefined
  if (rest === '' && isOptions) return { kind: 'absolute', authority, path: '*' }
  return { kind: 'absolute', authority, path: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Escapes, backslashes and dot segments are all that normalisation changes; most paths have none. */
const UNUSUAL = /[%\\]|\/\./

export function mayNeedNormalising(path: string): boolean {
  return UNUSUAL.test(path)
}

/** @returns the normalised target, or undefined when it has a broken percent escape or climbs above `/` */
export function normaliseTarget(target: string): string | undefined {
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  if (!path.startsWith('/')) return target
  const decoded = decodeUnreserved(path)
  if (decoded === undefined) return undefined
  const clean = removeDotSegments(decoded)
  if (clean === undefined) return undefined
  return query < 0 ? clean : clean + target.slice(query)
}

/** The path of a canonical target, without the query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

function decodeUnreserved(path: string): string | undefined {
  let out = ''
  for (let i = 0; i < path.length; i++) {
    const char = path[i] as string
    if (char === '\\') {
      out += '/'
      continue
    }
    if (char !== '%') {
      out += char
      continue
    }
    const high = HEX_VALUE[path.charCodeAt(i + 1)] ?? 255
    const low = HEX_VALUE[path.charCodeAt(i + 2)] ?? 255
    if (high > 15 || low > 15) return undefined
    const decoded = String.fromCharCode(high * 16 + low)
    out += UNRESERVED.test(decoded) ? decoded : `%${path.slice(i + 1, i + 3).toUpperCase()}`
    i += 2
  }
  return out
}

function removeDotSegments(path: string): string | undefined {
  const out: string[] = []
  const segments = path.slice(1).split('/')
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1
    if (segment === '.') {
      if (isLast) out.push('')
    } else if (segment === '..') {
      if (out.length === 0) return undefined
      out.pop()
      if (isLast) out.push('')
    } else {
      out.push(segment)
    }
  }
  return `/${out.join('/')}`
}
