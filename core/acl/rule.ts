/**
 * What a rule of access control is: a resource, the names it is about, and what may be done (http-api.md 24.3).
 *
 * Plain data, so that servers can hand an agent the rules of a token.
 */

/** Resources with one rule for all of it. */
export const PLAIN_RESOURCES = ['acl', 'operator', 'keyring', 'mesh', 'peering'] as const
/** Resources whose rules name what they are about, exactly or by a prefix. */
export const NAMED_RESOURCES = [
  'agent',
  'event',
  'key',
  'node',
  'query',
  'service',
  'session',
] as const

export type PlainResource = (typeof PLAIN_RESOURCES)[number]
export type NamedResource = (typeof NAMED_RESOURCES)[number]
/** `intention` has no rules of its own: those of services say it. */
export type Resource = PlainResource | NamedResource | 'intention'

export type Level = 'deny' | 'read' | 'list' | 'write'
export type Access = 'read' | 'list' | 'write'

export type Rule =
  | { readonly resource: PlainResource; readonly policy: Level }
  | {
      readonly resource: NamedResource
      readonly match: 'exact' | 'prefix'
      readonly name: string
      /** '' in a rule on services that speaks of intentions alone. */
      readonly policy: Level | ''
      /** Of services; absent: as `policy` implies. */
      readonly intentions?: Level
    }

/** Of two rules for the same names the stronger word counts: deny, write, list, read. */
const STRENGTH: Readonly<Record<Level, number>> = { read: 0, list: 1, write: 2, deny: 3 }

export function stronger(one: Level, other: Level): Level {
  return STRENGTH[one] >= STRENGTH[other] ? one : other
}

export function grants(level: Level, access: Access): boolean {
  if (level === 'deny') return false
  if (level === 'write') return true
  return access === 'read' || access === level
}
