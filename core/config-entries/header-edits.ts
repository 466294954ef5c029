/**
 * Which headers an entry may add, set and remove (mesh.md 10.8), and with which values.
 *
 * Fields that say where a message ends, who it is for or what the connection is are nobody's to change: a wrong
 * one would let two parsers read a message differently. Used where entries are written and by the proxy, so that
 * an entry of another version cannot do harm either.
 */

import type { JsonObject } from '../catalog/types.ts'
import { listAt, objectAt, textsAt } from './read-field.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/
/** Latin1 without control characters, apart from the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]{0,8192}$/
const FIXED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-client-cert',
])

export function isEditableHeader(name: string): boolean {
  return TOKEN.test(name) && !FIXED.has(name.toLowerCase())
}

export function isHeaderValue(value: string): boolean {
  return VALUE.test(value)
}

/** Of RequestHeaders and ResponseHeaders of a route or a split. */
export function headerEditsProblem(body: JsonObject | undefined): string | undefined {
  for (const key of ['RequestHeaders', 'ResponseHeaders']) {
    const edits = objectAt(body, key)
    for (const act of ['Add', 'Set']) {
      for (const [name, value] of Object.entries(textsAt(edits, act))) {
        if (!isEditableHeader(name)) return `${key}.${act} cannot hold the header "${name}"`
        if (!isHeaderValue(value)) {
          return `${key}.${act} has a value for "${name}" that no header can have`
        }
      }
    }
    for (const name of listAt(edits, 'Remove')) {
      if (!isEditableHeader(String(name))) {
        return `${key}.Remove cannot hold the header "${String(name)}"`
      }
    }
  }
  return undefined
}
