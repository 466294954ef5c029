/**
 * The topics of the change feed: which items a topic holds, and which topics a command touched (feed.ts).
 *
 * Guarantees: the snapshot of a topic followed by the deltas made here equals the snapshot of any later
 * version. A rule for destination `*` is published once, under the channel of `*`, which every follower
 * of intentions listens to.
 */

import { assertNever } from '../assert.ts'
import { WILDCARD } from '../intentions/precedence.ts'
import { nodeAddresses, serviceAddresses } from './address-index.ts'
import { rootsOf } from './ca.ts'
import type { Change, Changes } from './draft.ts'
import type { AddressOwner, FeedItem, Topic, TopicKey } from './feed.ts'
import { destinationOf, instanceAt } from './instances.ts'
import { intentionsFor } from './intention-table.ts'
import { nameKey, pairKey, type State } from './state.ts'
import { canonicalKey } from './topic-key.ts'
import type { HealthEntry, IntentionRecord, NodeRecord } from './types.ts'

/** Where deltas are published; a follower listens to one or two. */
export type Channel = string

export interface TopicDelta {
  readonly upserts: readonly FeedItem[]
  readonly deletes: readonly string[]
}

export function channelsOf(key: TopicKey): readonly Channel[] {
  const own = channel(key.topic, canonicalKey(key))
  const alsoAll = key.topic === 'intentions' && key.key !== WILDCARD
  return alsoAll ? [own, channel('intentions', WILDCARD)] : [own]
}

/** Everything in the topic at this version. */
export function itemsOf(state: State, key: TopicKey): FeedItem[] {
  switch (key.topic) {
    case 'health':
      return instanceItems(state.services.get(nameKey(key.key))?.instances.values())
    case 'connect':
      return instanceItems(state.destinations.get(nameKey(key.key))?.instances.values())
    case 'intentions':
      return intentionsFor(state, key.key).map((rule) => ({ id: intentionId(rule), value: rule }))
    case 'roots':
      return [{ id: ROOTS_ID, value: rootsOf(state) }]
    case 'config': {
      const entries = state.configEntries.valuesUnder(pairKey(nameKey(key.key), ''))
      return entries.map((entry) => ({ id: entry.name, value: entry }))
    }
    case 'virtual-ips':
      return state.virtualIps.values().map((record) => ({ id: record.service, value: record }))
    case 'node': {
      const node = state.nodes.get(nameKey(key.key))
      return node === undefined ? [] : [nodeItem(node.record)]
    }
    case 'address':
      return ownersOf(state, key.key)
    default:
      return assertNever(key.topic)
  }
}

/** What each channel has to say about one command. */
export function deltasOf(changes: Changes): ReadonlyMap<Channel, TopicDelta> {
  const deltas = new Map<Channel, OpenDelta>()
  const at: DeltaAt = (name) => {
    let delta = deltas.get(name)
    if (delta === undefined) {
      delta = { upserts: [], deletes: [] }
      deltas.set(name, delta)
    }
    return delta
  }
  for (const { before, after } of changes.nodes) {
    const record = after ?? before
    if (record === undefined) continue
    const delta = at(channel('node', nameKey(record.node)))
    if (after === undefined) delta.deletes.push(nameKey(record.node))
    else delta.upserts.push(nodeItem(after))
    noteOwner(ownerOfNode(before), ownerOfNode(after), at)
  }
  for (const change of changes.instances) {
    noteInstance(change, at)
    if (mayMoveAddresses(change)) {
      noteOwner(ownerOfInstance(change.before), ownerOfInstance(change.after), at)
    }
  }
  for (const { before, after } of changes.intentions) {
    if (before !== undefined && after === undefined) {
      at(channel('intentions', before.destinationName)).deletes.push(intentionId(before))
    }
    if (after === undefined) continue
    const item = { id: intentionId(after), value: after }
    at(channel('intentions', after.destinationName)).upserts.push(item)
  }
  for (const { before, after } of changes.configEntries) {
    const entry = after ?? before
    if (entry === undefined) continue
    const delta = at(channel('config', nameKey(entry.kind)))
    if (after === undefined) delta.deletes.push(entry.name)
    else delta.upserts.push({ id: after.name, value: after })
  }
  for (const { before, after } of changes.virtualIps) {
    const delta = at(channel('virtual-ips', ''))
    if (after !== undefined) delta.upserts.push({ id: after.service, value: after })
    else if (before !== undefined) delta.deletes.push(before.service)
  }
  if (changes.roots !== undefined) {
    at(channel('roots', '')).upserts.push({ id: ROOTS_ID, value: changes.roots })
  }
  return deltas
}

const ROOTS_ID = 'roots'

interface OpenDelta {
  readonly upserts: FeedItem[]
  readonly deletes: string[]
}

type DeltaAt = (name: Channel) => OpenDelta

function noteInstance({ before, after }: Change<HealthEntry>, at: DeltaAt): void {
  const old = before === undefined ? [] : instanceChannels(before)
  const now = after === undefined ? [] : instanceChannels(after)
  const isRenamed =
    before !== undefined && after !== undefined && instanceId(before) !== instanceId(after)
  if (before !== undefined) {
    for (const name of old) {
      if (isRenamed || !now.includes(name)) at(name).deletes.push(instanceId(before))
    }
  }
  if (after !== undefined) {
    for (const name of now) at(name).upserts.push({ id: instanceId(after), value: after })
  }
}

/** A check that changes, the most frequent change, says nothing new about addresses. */
function mayMoveAddresses({ before, after }: Change<HealthEntry>): boolean {
  return (
    before === undefined ||
    after === undefined ||
    before.service !== after.service ||
    before.node !== after.node
  )
}

/** A node or an instance as the owner of addresses. */
interface Owner {
  readonly id: string
  readonly value: AddressOwner
  readonly addresses: ReadonlySet<string>
}

function noteOwner(before: Owner | undefined, after: Owner | undefined, at: DeltaAt): void {
  for (const address of before?.addresses ?? []) {
    if (before === undefined || after?.addresses.has(address)) continue
    at(channel('address', address)).deletes.push(before.id)
  }
  if (after === undefined) return
  const isSame = before !== undefined && before.value.name === after.value.name
  for (const address of after.addresses) {
    if (isSame && before.addresses.has(address)) continue
    at(channel('address', address)).upserts.push({ id: after.id, value: after.value })
  }
}

function ownerOfNode(record: NodeRecord | undefined): Owner | undefined {
  if (record === undefined) return undefined
  const { node: name, datacenter } = record
  return {
    id: `node/${nameKey(name)}`,
    value: { kind: 'node', name, datacenter },
    addresses: nodeAddresses(record),
  }
}

function ownerOfInstance(entry: HealthEntry | undefined): Owner | undefined {
  if (entry === undefined) return undefined
  const { service, node } = entry
  return {
    id: `service/${nameKey(node.node)}/${service.id}`,
    value: { kind: 'service', name: service.service, datacenter: node.datacenter },
    addresses: serviceAddresses(service),
  }
}

function ownersOf(state: State, address: string): FeedItem[] {
  const prefix = pairKey(address, '')
  const nodes = state.nodeAddresses
    .valuesUnder(prefix)
    .map((key) => ownerOfNode(state.nodes.get(key)?.record))
  const instances = state.serviceAddresses
    .valuesUnder(prefix)
    .map((key) => ownerOfInstance(instanceAt(state, key)))
  return [...nodes, ...instances]
    .filter((owner) => owner !== undefined)
    .map(({ id, value }) => ({ id, value }))
}

function nodeItem(record: NodeRecord): FeedItem {
  return { id: nameKey(record.node), value: record }
}

function instanceChannels(entry: HealthEntry): readonly Channel[] {
  const own = channel('health', nameKey(entry.service.service))
  const destination = destinationOf(entry.service)
  return destination === undefined ? [own] : [own, channel('connect', nameKey(destination))]
}

function instanceItems(entries: readonly HealthEntry[] | undefined): FeedItem[] {
  return (entries ?? []).map((entry) => ({ id: instanceId(entry), value: entry }))
}

function instanceId(entry: HealthEntry): string {
  return `${entry.node.node}/${entry.service.id}`
}

function intentionId(rule: IntentionRecord): string {
  return `${rule.sourceName}/${rule.destinationName}`
}

function channel(topic: Topic, key: string): Channel {
  return `${topic}:${key}`
}
