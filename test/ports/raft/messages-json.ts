/**
 * Raft's messages in the JSON of the port, under the names of the Raft specification, section 3.
 *
 * Chain values need not be given: where they are absent they are worked out from the receiver's own log, so
 * that hand-written messages are taken for what they say. `reject` of an AppendResp tells its two forms apart.
 */

import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import {
  type Chain,
  chain,
  type Entry,
  type EntryType,
  logIndex,
  type SnapshotMeta,
  serverId,
  term,
} from '../../../core/raft/types.ts'
import { configurationJson, configurationOf } from '../configuration-json.ts'
import { countAt, type JsonObject, listAt, objectAt, PortError, textAt } from '../json-lines.ts'

/** What the receiver holds at an index; undefined when it holds nothing there. */
export type ChainAt = (index: number) => Chain | undefined

const ENTRY_TYPES: readonly EntryType[] = ['normal', 'noop', 'config', 'barrier', 'checkpoint']

export function messageOf(from: JsonObject, chainAt: ChainAt): RaftMessage {
  const header = {
    from: serverId(textAt(from, 'from')),
    to: serverId(textAt(from, 'to')),
    term: term(countAt(from, 'term')),
  }
  const reply = {
    seq: countAt(from, 'seq', 0),
    boot: typeof from['boot'] === 'string' ? from['boot'] : `${header.from} 1`,
    isRecovering: from['isRecovering'] === true,
    lastIndex: logIndex(countAt(from, 'followerLastIndex', countAt(from, 'lastIndex', 0))),
    appliedIndex: logIndex(countAt(from, 'appliedIndex', 0)),
  }
  const rounds = { readSeq: countAt(from, 'readSeq', 0), leaseSeq: countAt(from, 'leaseSeq', 0) }
  switch (from['kind']) {
    case 'AppendEntries': {
      const prevIndex = logIndex(countAt(from, 'prevIndex'))
      const prevChain = givenChain(from, 'prevChain') ?? chainAt(prevIndex) ?? CHAIN_START
      return {
        ...header,
        kind: 'append',
        prevIndex,
        prevTerm: term(countAt(from, 'prevTerm')),
        prevChain,
        entries: entriesOf(listAt(from, 'entries'), prevChain),
        leaderCommit: logIndex(countAt(from, 'leaderCommit', 0)),
        seq: reply.seq,
      }
    }
    case 'AppendResp':
      return from['reject'] === true || from['rejectedIndex'] !== undefined
        ? {
            ...header,
            ...reply,
            kind: 'append-reject',
            rejectedIndex: logIndex(countAt(from, 'rejectedIndex')),
            hintIndex: logIndex(countAt(from, 'hintIndex')),
            hintTerm: term(countAt(from, 'hintTerm')),
          }
        : {
            ...header,
            ...reply,
            kind: 'append-ack',
            matchIndex: logIndex(countAt(from, 'matchIndex')),
          }
    case 'Heartbeat':
      return {
        ...header,
        ...rounds,
        kind: 'heartbeat',
        commit: logIndex(countAt(from, 'commit', 0)),
      }
    case 'HeartbeatResp':
      return { ...header, ...rounds, kind: 'heartbeat-ack', isRecovering: reply.isRecovering }
    case 'PreVote':
    case 'Vote':
      return {
        ...header,
        kind: from['kind'] === 'Vote' ? 'vote' : 'pre-vote',
        lastIndex: logIndex(countAt(from, 'lastIndex')),
        lastTerm: term(countAt(from, 'lastTerm')),
        transfer: from['transfer'] === true,
      }
    case 'PreVoteResp':
    case 'VoteResp':
      return {
        ...header,
        kind: from['kind'] === 'VoteResp' ? 'vote-reply' : 'pre-vote-reply',
        granted: from['granted'] === true,
      }
    case 'TimeoutNow':
      return { ...header, kind: 'timeout-now' }
    case 'ReadIndexReq':
      return { ...header, kind: 'read-request', context: textAt(from, 'ctx') }
    case 'ReadIndexResp':
      return {
        ...header,
        kind: 'read-reply',
        context: textAt(from, 'ctx'),
        index: logIndex(countAt(from, 'index')),
      }
    case 'SnapshotOffer':
      return {
        ...header,
        kind: 'snapshot-offer',
        snapshot: snapshotOf(objectAt(from['snapshot'] ?? from, 'a snapshot'), chainAt),
      }
    default:
      throw new PortError(`"kind" of a message is none of the Raft specification, section 3`)
  }
}

export function messageJson(message: RaftMessage): JsonObject {
  const { from, to, term: sent } = message
  const header = { from, to, term: sent }
  switch (message.kind) {
    case 'append':
      return {
        kind: 'AppendEntries',
        ...header,
        prevIndex: message.prevIndex,
        prevTerm: message.prevTerm,
        entries: message.entries.map(entryJson),
        leaderCommit: message.leaderCommit,
        seq: message.seq,
      }
    case 'append-ack':
      return {
        kind: 'AppendResp',
        ...header,
        matchIndex: message.matchIndex,
        ...replyJson(message),
      }
    case 'append-reject':
      return {
        kind: 'AppendResp',
        ...header,
        reject: true,
        rejectedIndex: message.rejectedIndex,
        hintIndex: message.hintIndex,
        hintTerm: message.hintTerm,
        ...replyJson(message),
      }
    case 'heartbeat':
      return {
        kind: 'Heartbeat',
        ...header,
        commit: message.commit,
        readSeq: message.readSeq,
        leaseSeq: message.leaseSeq,
      }
    case 'heartbeat-ack':
      return {
        kind: 'HeartbeatResp',
        ...header,
        readSeq: message.readSeq,
        leaseSeq: message.leaseSeq,
        ...(message.isRecovering ? { isRecovering: true } : {}),
      }
    case 'pre-vote':
    case 'vote':
      return {
        kind: message.kind === 'vote' ? 'Vote' : 'PreVote',
        ...header,
        lastIndex: message.lastIndex,
        lastTerm: message.lastTerm,
        transfer: message.transfer,
      }
    case 'pre-vote-reply':
    case 'vote-reply':
      return {
        kind: message.kind === 'vote-reply' ? 'VoteResp' : 'PreVoteResp',
        ...header,
        granted: message.granted,
      }
    case 'timeout-now':
      return { kind: 'TimeoutNow', ...header }
    case 'read-request':
      return { kind: 'ReadIndexReq', ...header, ctx: message.context }
    case 'read-reply':
      return { kind: 'ReadIndexResp', ...header, ctx: message.context, index: message.index }
    case 'snapshot-offer':
      return { kind: 'SnapshotOffer', ...header, snapshot: snapshotJson(message.snapshot) }
  }
}

/** Entries that follow each other, with chain values from `before` on. */
export function entriesOf(items: readonly unknown[], before: Chain): Entry[] {
  const entries: Entry[] = []
  let previous = before
  for (const item of items) {
    const from = objectAt(item, 'an entry')
    const type = (from['type'] ?? 'normal') as EntryType
    if (!ENTRY_TYPES.includes(type))
      throw new PortError(`"type" is one of ${ENTRY_TYPES.join(', ')}`)
    const entry = chainedEntry(previous, {
      index: logIndex(countAt(from, 'index')),
      term: term(countAt(from, 'term')),
      type,
      data: dataOf(from),
    })
    const given = givenChain(from, 'chain')
    entries.push(given === undefined ? entry : { ...entry, chain: given })
    previous = entry.chain
  }
  return entries
}

/** UTF-8 in `data`, or base64 in `data64`. */
export function dataOf(from: JsonObject): Uint8Array {
  const { data, data64 } = from
  if (typeof data64 === 'string') return Buffer.from(data64, 'base64')
  if (data === undefined || data === null) return new Uint8Array(0)
  if (typeof data === 'string') return Buffer.from(data)
  throw new PortError('"data" is a text; bytes go in base64 into "data64"')
}

export function entryJson(entry: Entry): JsonObject {
  const text = Buffer.from(entry.data).toString('utf8')
  const isText = Buffer.from(text).equals(entry.data)
  return {
    index: entry.index,
    term: entry.term,
    type: entry.type,
    ...(isText ? { data: text } : { data64: Buffer.from(entry.data).toString('base64') }),
  }
}

export function snapshotOf(from: JsonObject, chainAt: ChainAt): SnapshotMeta {
  const index = logIndex(countAt(from, 'index'))
  const given = from['conf'] ?? from['configuration'] ?? from
  return {
    index,
    term: term(countAt(from, 'term')),
    chain: givenChain(from, 'chain') ?? chainAt(index) ?? CHAIN_START,
    configuration: configurationOf(objectAt(given, 'a configuration')),
    configurationIndex: logIndex(countAt(from, 'confIndex', index)),
  }
}

export function snapshotJson(snapshot: SnapshotMeta): JsonObject {
  return {
    index: snapshot.index,
    term: snapshot.term,
    conf: configurationJson(snapshot.configuration),
    confIndex: snapshot.configurationIndex,
  }
}

function replyJson(
  message: Extract<RaftMessage, { readonly kind: 'append-ack' | 'append-reject' }>,
) {
  return {
    seq: message.seq,
    followerLastIndex: message.lastIndex,
    appliedIndex: message.appliedIndex,
    boot: message.boot,
    ...(message.isRecovering ? { isRecovering: true } : {}),
  }
}

function givenChain(from: JsonObject, key: string): Chain | undefined {
  const value = from[key]
  return typeof value === 'number' ? chain(value) : undefined
}
