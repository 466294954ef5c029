/**
 * What a snapshot says about itself, and the configuration in it, in the wire format of proto/raft.proto.
 *
 * Guarantees: a configuration that breaks a rule of core/raft/configuration.ts is a WireError.
 * Bound: MEMBERS_MAX names in each list.
 */

import {
  type Configuration,
  configurationFault,
  type MemberAddress,
} from '../../core/raft/configuration.ts'
import {
  chain,
  logIndex,
  type ServerId,
  type SnapshotMeta,
  serverId,
  term,
} from '../../core/raft/types.ts'
import { WireError, type WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

const MEMBERS_MAX = 255
const ID_CHARS_MAX = 255

export function encodeSnapshotMeta(out: WireWriter, meta: SnapshotMeta): void {
  out.uint(5, meta.configurationIndex)
  const before = out.size
  encodeConfiguration(out, meta.configuration)
  out.head(4, out.size - before)
  out.fixed64(3, meta.chain)
  out.uint(2, meta.term)
  out.uint(1, meta.index)
}

function encodeConfiguration(out: WireWriter, c: Configuration): void {
  for (const member of c.addresses.toReversed()) {
    const before = out.size
    out.text(2, member.address)
    out.text(1, member.id)
    out.head(6, out.size - before)
  }
  out.bool(5, c.autoLeave)
  for (const id of c.learnersNext.toReversed()) out.element(4, id)
  for (const id of c.learners.toReversed()) out.element(3, id)
  for (const id of c.outgoing.toReversed()) out.element(2, id)
  for (const id of c.incoming.toReversed()) out.element(1, id)
}

/** @throws WireError */
export function decodeSnapshotMeta(reader: WireReader): SnapshotMeta {
  let index = 0
  let snapshotTerm = 0
  let snapshotChain = 0
  let configuration: Configuration | undefined
  let configurationIndex = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) index = reader.uint()
    else if (field === 2) snapshotTerm = reader.uint()
    else if (field === 3) snapshotChain = reader.fixed64()
    else if (field === 4) configuration = decodeConfiguration(reader.nested())
    else if (field === 5) configurationIndex = reader.uint()
    else reader.skip()
  }
  if (configuration === undefined) throw new WireError('a snapshot has no configuration')
  return {
    index: logIndex(index),
    term: term(snapshotTerm),
    chain: chain(snapshotChain),
    configuration,
    configurationIndex: logIndex(configurationIndex),
  }
}

function decodeConfiguration(reader: WireReader): Configuration {
  const lists: readonly [ServerId[], ServerId[], ServerId[], ServerId[]] = [[], [], [], []]
  const addresses: MemberAddress[] = []
  let autoLeave = false
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    const list = lists[field - 1]
    if (list !== undefined) add(list, checkedId(reader.text()))
    else if (field === 5) autoLeave = reader.bool()
    else if (field === 6) add(addresses, decodeMember(reader.nested()))
    else reader.skip()
  }
  const [incoming, outgoing, learners, learnersNext] = lists
  const decoded = { incoming, outgoing, learners, learnersNext, autoLeave, addresses }
  const fault = configurationFault(decoded)
  if (fault !== null) throw new WireError(`a configuration is invalid: ${fault}`)
  return decoded
}

function decodeMember(reader: WireReader): MemberAddress {
  let id = ''
  let address = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) id = reader.text()
    else if (field === 2) address = reader.text()
    else reader.skip()
  }
  return { id: checkedId(id), address }
}

function add<T>(list: T[], item: T): void {
  if (list.length === MEMBERS_MAX) {
    throw new WireError(`a configuration has at most ${MEMBERS_MAX} members`)
  }
  list.push(item)
}

/** @throws WireError when it cannot be the id of a server */
export function checkedId(text: string): ServerId {
  if (text.length === 0 || text.length > ID_CHARS_MAX) {
    throw new WireError(`a server id has 1 to ${ID_CHARS_MAX} characters`)
  }
  return serverId(text)
}
