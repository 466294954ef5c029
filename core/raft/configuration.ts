/**
 * Who takes part: voters of both halves, learners, and their addresses; plus the codec of config entries.
 *
 * Every config entry carries the whole configuration (2.2), never a delta, so that truncation and
 * recovery need no history. Encoding is canonical: equal configurations give equal bytes. Validity rules
 * are those of specification 10.4; changing a configuration is not done here.
 * Bounds: at most 255 members.
 */

import { AssertionError, assert } from '../assert.ts'
import { type ServerId, serverId } from './types.ts'

/** Members beyond this make a configuration invalid. */
export const MEMBERS_MAX = 255

export interface Configuration {
  /** Voters; sorted. */
  readonly incoming: readonly ServerId[]
  /** Voters of the old half while joint, else empty; sorted. */
  readonly outgoing: readonly ServerId[]
  /** Replicated to, never counted; sorted. */
  readonly learners: readonly ServerId[]
  /** Voters of the old half that become learners when the joint phase ends; sorted. */
  readonly learnersNext: readonly ServerId[]
  /** The leader leaves the joint phase by itself. */
  readonly autoLeave: boolean
  /** One address for each member; in the order of ids. */
  readonly addresses: readonly { readonly id: ServerId; readonly address: string }[]
}

export interface MemberAddress {
  readonly id: ServerId
  readonly address: string
}

/** One elementary step; idempotent (specification 10.4). Addresses are `host:port`. */
export type MemberChange =
  /** Adds a voter, or promotes a learner. */
  | { readonly kind: 'voter'; readonly id: ServerId; readonly address: string }
  /** Adds a learner, or demotes a voter. */
  | { readonly kind: 'learner'; readonly id: ServerId; readonly address: string }
  | { readonly kind: 'remove'; readonly id: ServerId }
  | { readonly kind: 'address'; readonly id: ServerId; readonly address: string }

export type ConfigurationChange =
  /** Alters the set of voters by at most one. `force` skips the check of 10.7 (enough healthy voters remain). */
  | { readonly kind: 'simple'; readonly change: MemberChange; readonly force?: boolean }
  /** Any number of steps through a joint phase, which the leader leaves by itself when `autoLeave`. */
  | {
      readonly kind: 'enter-joint'
      readonly changes: readonly MemberChange[]
      readonly autoLeave: boolean
    }
  | { readonly kind: 'leave-joint' }

export const EMPTY_CONFIGURATION: Configuration = {
  incoming: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  addresses: [],
}

/** A configuration of voters only. */
export function votersOnly(members: readonly MemberAddress[]): Configuration {
  const sorted = [...members].sort((x, y) => compareIds(x.id, y.id))
  return { ...EMPTY_CONFIGURATION, incoming: sorted.map((m) => m.id), addresses: sorted }
}

/** The first broken rule of specification 10.4 as a sentence, or null. */
export function configurationFault(c: Configuration): string | null {
  if (c.incoming.length === 0) return 'a configuration needs at least one voter'
  if (c.addresses.length > MEMBERS_MAX) return `a configuration has at most ${MEMBERS_MAX} members`
  for (const list of [c.incoming, c.outgoing, c.learners, c.learnersNext]) {
    if (!isStrictlySorted(list)) return 'ids must be unique and sorted'
  }
  if (c.outgoing.length === 0 && (c.learnersNext.length > 0 || c.autoLeave)) {
    return 'only a joint configuration has next learners or leaves by itself'
  }
  const voters = new Set([...c.incoming, ...c.outgoing])
  if (c.learners.some((id) => voters.has(id))) return 'a learner is not a voter of either half'
  const outgoing = new Set(c.outgoing)
  if (c.learnersNext.some((id) => !outgoing.has(id))) {
    return 'a next learner is a voter of the old half'
  }
  const members = [...new Set([...voters, ...c.learners])].sort(compareIds)
  const addressed = c.addresses.map((m) => m.id)
  if (!isStrictlySorted(addressed) || addressed.join('\n') !== members.join('\n')) {
    return 'every member has exactly one address'
  }
  if (c.addresses.some((m) => m.address === '')) return 'an address is not empty'
  if (new Set(c.addresses.map((m) => m.address)).size !== c.addresses.length) {
    return 'addresses are unique'
  }
  return null
}

/** All that are replicated to, sorted. */
export function memberIds(c: Configuration): readonly ServerId[] {
  return c.addresses.map((m) => m.id)
}

export function isVoter(c: Configuration, id: ServerId): boolean {
  return c.incoming.includes(id) || c.outgoing.includes(id)
}

/** True when `id` decides alone, in both halves. */
export function isSoleVoter(c: Configuration, id: ServerId): boolean {
  return (
    c.incoming.length === 1 && c.incoming[0] === id && c.outgoing.every((other) => other === id)
  )
}

export function encodeConfiguration(c: Configuration): Uint8Array {
  const document = {
    incoming: c.incoming,
    outgoing: c.outgoing,
    learners: c.learners,
    learnersNext: c.learnersNext,
    autoLeave: c.autoLeave,
    addresses: c.addresses.map((m) => [m.id, m.address]),
  }
  return new TextEncoder().encode(JSON.stringify(document))
}

/** True for bytes that `decodeConfiguration` accepts: entries of a peer are looked at before they are taken. */
export function isConfigurationData(data: Uint8Array): boolean {
  try {
    decodeConfiguration(data)
    return true
  } catch (thrown) {
    // Anything but text that is no JSON, or JSON that is no configuration, is a bug of ours.
    if (thrown instanceof AssertionError || thrown instanceof SyntaxError) return false
    throw thrown
  }
}

/** @throws AssertionError when the bytes are no valid configuration; SyntaxError when they are no JSON */
export function decodeConfiguration(data: Uint8Array): Configuration {
  const document: unknown = JSON.parse(new TextDecoder().decode(data))
  assert(isRecord(document), 'a config entry holds an object')
  const addresses = list(document['addresses']).map((pair): MemberAddress => {
    const [id, address] = list(pair)
    assert(typeof id === 'string' && typeof address === 'string', 'a member is [id, address]')
    return { id: serverId(id), address }
  })
  const decoded: Configuration = {
    incoming: ids(document['incoming']),
    outgoing: ids(document['outgoing']),
    learners: ids(document['learners']),
    learnersNext: ids(document['learnersNext']),
    autoLeave: document['autoLeave'] === true,
    addresses,
  }
  const fault = configurationFault(decoded)
  assert(fault === null, `config entry is invalid: ${fault}`)
  return decoded
}

export function compareIds(x: ServerId, y: ServerId): number {
  if (x === y) return 0
  return x < y ? -1 : 1
}

function isStrictlySorted(ids: readonly ServerId[]): boolean {
  return ids.every((id, i) => i === 0 || compareIds(ids[i - 1] as ServerId, id) < 0)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function list(value: unknown): readonly unknown[] {
  assert(Array.isArray(value), 'a config entry holds lists')
  return value
}

function ids(value: unknown): readonly ServerId[] {
  return list(value).map((id) => {
    assert(typeof id === 'string', 'a server id is a string')
    return serverId(id)
  })
}
