/**
 * Raft's messages in the wire format of proto/raft.proto, written by hand because this is a hot path.
 *
 * It agrees with @bufbuild/protobuf, which a test holds; docs/decisions/0009 says why there are two. Guarantees:
 * decoding gives a message that the core may trust in shape (safe integers, valid ids and configurations) or
 * throws WireError. Entries of a decoded message are views into the frame.
 * Bounds: ENTRIES_MAX entries in a message, texts of wire-reader.ts.
 */

import { assertNever } from '../../core/assert.ts'
import { ENTRY_TYPE_CODES } from '../../core/raft/chain.ts'
import type {
  AppendAckMessage,
  AppendMessage,
  AppendRejectMessage,
  RaftMessage,
} from '../../core/raft/messages.ts'
import { entryBytes } from '../../core/raft/raft-log.ts'
import {
  type Chain,
  chain,
  type Entry,
  type EntryType,
  type LogIndex,
  logIndex,
  type ServerId,
  type SnapshotMeta,
  type Term,
  term,
} from '../../core/raft/types.ts'
import { checkedId, decodeSnapshotMeta, encodeSnapshotMeta } from './snapshot-meta-codec.ts'
import { WireError, WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

/**
 * Entries of one append; more than the core puts into a message of its default size. Of one that has more, only
 * so many are sent, which Raft takes for a short one.
 */
export const ENTRIES_MAX = 32_768
const MESSAGE_BYTES_USUAL = 256

/** Fields of Message. */
const FROM = 1
const TO = 2
const TERM = 3
const KIND_FIELDS = {
  append: 4,
  'append-ack': 5,
  'append-reject': 6,
  heartbeat: 7,
  'heartbeat-ack': 8,
  'pre-vote': 9,
  vote: 10,
  'pre-vote-reply': 11,
  'vote-reply': 12,
  'timeout-now': 13,
  'read-request': 14,
  'read-reply': 15,
  'snapshot-offer': 16,
} as const satisfies Record<RaftMessage['kind'], number>

const TYPES = Object.keys(ENTRY_TYPE_CODES) as readonly EntryType[]
const TYPE_OF_CODE: readonly EntryType[] = [...TYPES].sort(
  (x, y) => ENTRY_TYPE_CODES[x] - ENTRY_TYPE_CODES[y],
)

/** More than the message takes on the wire, most times. */
export function roomFor(message: RaftMessage): number {
  if (message.kind !== 'append') return MESSAGE_BYTES_USUAL
  let bytes = MESSAGE_BYTES_USUAL
  for (const entry of message.entries) bytes += entryBytes(entry)
  return bytes
}

export function encodeMessage(out: WireWriter, message: RaftMessage): void {
  const before = out.size
  encodeBody(out, message)
  out.head(KIND_FIELDS[message.kind], out.size - before)
  out.uint(TERM, message.term)
  out.text(TO, message.to)
  out.text(FROM, message.from)
}

function encodeBody(out: WireWriter, message: RaftMessage): void {
  switch (message.kind) {
    case 'append':
      encodeAppend(out, message)
      break
    case 'append-ack':
      out.uint(2, message.matchIndex)
      encodeReplyFields(out, message)
      break
    case 'append-reject':
      out.uint(4, message.hintTerm)
      out.uint(3, message.hintIndex)
      out.uint(2, message.rejectedIndex)
      encodeReplyFields(out, message)
      break
    case 'heartbeat':
      out.uint(3, message.leaseSeq)
      out.uint(2, message.readSeq)
      out.uint(1, message.commit)
      break
    case 'heartbeat-ack':
      out.bool(3, message.isRecovering)
      out.uint(2, message.leaseSeq)
      out.uint(1, message.readSeq)
      break
    case 'pre-vote':
    case 'vote':
      out.bool(3, message.transfer)
      out.uint(2, message.lastTerm)
      out.uint(1, message.lastIndex)
      break
    case 'pre-vote-reply':
    case 'vote-reply':
      out.bool(1, message.granted)
      break
    case 'timeout-now':
      break
    case 'read-request':
      out.text(1, message.context)
      break
    case 'read-reply':
      out.uint(2, message.index)
      out.text(1, message.context)
      break
    case 'snapshot-offer':
      encodeOffered(out, message.snapshot)
      break
    default:
      assertNever(message)
  }
}

function encodeOffered(out: WireWriter, snapshot: SnapshotMeta): void {
  const before = out.size
  encodeSnapshotMeta(out, snapshot)
  out.head(1, out.size - before)
}

function encodeAppend(out: WireWriter, message: AppendMessage): void {
  const { entries } = message
  for (let i = Math.min(entries.length, ENTRIES_MAX) - 1; i >= 0; i--) {
    const entry = entries[i] as Entry
    const before = out.size
    out.bytes(4, entry.data)
    out.fixed64(3, entry.chain)
    out.uint(2, ENTRY_TYPE_CODES[entry.type])
    out.uint(1, entry.term)
    out.head(6, out.size - before)
  }
  out.uint(5, message.seq)
  out.uint(4, message.leaderCommit)
  out.fixed64(3, message.prevChain)
  out.uint(2, message.prevTerm)
  out.uint(1, message.prevIndex)
}

function encodeReplyFields(out: WireWriter, message: AppendAckMessage | AppendRejectMessage): void {
  const before = out.size
  out.uint(5, message.appliedIndex)
  out.uint(4, message.lastIndex)
  out.bool(3, message.isRecovering)
  out.text(2, message.boot)
  out.uint(1, message.seq)
  out.head(1, out.size - before)
}

/** @throws WireError */
export function decodeMessage(bytes: Buffer): RaftMessage {
  const reader = new WireReader(bytes)
  let from = ''
  let to = ''
  let sendersTerm = 0
  let kind = 0
  let body: WireReader | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === FROM) from = reader.text()
    else if (field === TO) to = reader.text()
    else if (field === TERM) sendersTerm = reader.uint()
    else if (field >= KIND_FIELDS.append && field <= KIND_FIELDS['snapshot-offer']) {
      kind = field
      body = reader.nested()
    } else reader.skip()
  }
  if (body === undefined) throw new WireError('a message is of no known kind')
  return decodeBody(kind, body, {
    from: checkedId(from),
    to: checkedId(to),
    term: term(sendersTerm),
  })
}

interface Header {
  readonly from: ServerId
  readonly to: ServerId
  readonly term: Term
}

function decodeBody(kind: number, body: WireReader, header: Header): RaftMessage {
  switch (kind) {
    case KIND_FIELDS.append:
      return decodeAppend(body, header)
    case KIND_FIELDS['append-ack']:
    case KIND_FIELDS['append-reject']:
      return decodeAppendReply(kind, body, header)
    case KIND_FIELDS.heartbeat: {
      const [commit = 0, readSeq = 0, leaseSeq = 0] = numbers(body, 3)
      return { kind: 'heartbeat', ...header, commit: logIndex(commit), readSeq, leaseSeq }
    }
    case KIND_FIELDS['heartbeat-ack']: {
      const [readSeq = 0, leaseSeq = 0, recovering = 0] = numbers(body, 3)
      return {
        kind: 'heartbeat-ack',
        ...header,
        readSeq,
        leaseSeq,
        isRecovering: recovering !== 0,
      }
    }
    case KIND_FIELDS['pre-vote']:
    case KIND_FIELDS.vote: {
      const [lastIndex = 0, lastTerm = 0, transfer = 0] = numbers(body, 3)
      return {
        kind: kind === KIND_FIELDS.vote ? 'vote' : 'pre-vote',
        ...header,
        lastIndex: logIndex(lastIndex),
        lastTerm: term(lastTerm),
        transfer: transfer !== 0,
      }
    }
    case KIND_FIELDS['pre-vote-reply']:
    case KIND_FIELDS['vote-reply']: {
      const [granted = 0] = numbers(body, 1)
      return {
        kind: kind === KIND_FIELDS['vote-reply'] ? 'vote-reply' : 'pre-vote-reply',
        ...header,
        granted: granted !== 0,
      }
    }
    case KIND_FIELDS['timeout-now']:
      numbers(body, 0)
      return { kind: 'timeout-now', ...header }
    case KIND_FIELDS['read-request']:
      return { kind: 'read-request', ...header, context: decodeRead(body).context }
    case KIND_FIELDS['read-reply']:
      return { kind: 'read-reply', ...header, ...decodeRead(body) }
    default:
      return { kind: 'snapshot-offer', ...header, snapshot: decodeOffered(body) }
  }
}

function decodeAppend(body: WireReader, header: Header): AppendMessage {
  let prevIndex = 0
  let prevTerm = 0
  let prevChain = 0
  let leaderCommit = 0
  let seq = 0
  const nested: WireReader[] = []
  for (let field = body.next(); field !== 0; field = body.next()) {
    if (field === 1) prevIndex = body.uint()
    else if (field === 2) prevTerm = body.uint()
    else if (field === 3) prevChain = body.fixed64()
    else if (field === 4) leaderCommit = body.uint()
    else if (field === 5) seq = body.uint()
    else if (field === 6) {
      if (nested.length === ENTRIES_MAX) throw new WireError('an append has too many entries')
      nested.push(body.nested())
    } else body.skip()
  }
  if (prevIndex > Number.MAX_SAFE_INTEGER - nested.length)
    throw new WireError('an index is above 2^53')
  return {
    kind: 'append',
    ...header,
    prevIndex: logIndex(prevIndex),
    prevTerm: term(prevTerm),
    prevChain: chain(prevChain),
    entries: nested.map((reader, i) => decodeEntry(reader, logIndex(prevIndex + 1 + i))),
    leaderCommit: logIndex(leaderCommit),
    seq,
  }
}

function decodeEntry(reader: WireReader, index: LogIndex): Entry {
  let entryTerm = 0
  let code = 0
  let entryChain: Chain = chain(0)
  let data: Uint8Array = NO_BYTES
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) entryTerm = reader.uint()
    else if (field === 2) code = reader.uint()
    else if (field === 3) entryChain = chain(reader.fixed64())
    else if (field === 4) data = reader.bytes()
    else reader.skip()
  }
  const type = TYPE_OF_CODE[code]
  if (type === undefined) throw new WireError(`an entry has the unknown type ${code}`)
  return { index, term: term(entryTerm), type, data, chain: entryChain }
}

const NO_BYTES = new Uint8Array(0)

function decodeAppendReply(
  kind: number,
  body: WireReader,
  header: Header,
): AppendAckMessage | AppendRejectMessage {
  let seq = 0
  let boot = ''
  let isRecovering = false
  let lastIndex = 0
  let appliedIndex = 0
  const numbersAfter: [number, number, number] = [0, 0, 0]
  for (let field = body.next(); field !== 0; field = body.next()) {
    if (field === 1) {
      const fields = body.nested()
      for (let inner = fields.next(); inner !== 0; inner = fields.next()) {
        if (inner === 1) seq = fields.uint()
        else if (inner === 2) boot = fields.text()
        else if (inner === 3) isRecovering = fields.bool()
        else if (inner === 4) lastIndex = fields.uint()
        else if (inner === 5) appliedIndex = fields.uint()
        else fields.skip()
      }
    } else if (field <= 4) numbersAfter[field - 2] = body.uint()
    else body.skip()
  }
  const shared = {
    ...header,
    seq,
    boot,
    isRecovering,
    lastIndex: logIndex(lastIndex),
    appliedIndex: logIndex(appliedIndex),
  }
  const [first, second, third] = numbersAfter
  if (kind === KIND_FIELDS['append-ack']) {
    return { kind: 'append-ack', ...shared, matchIndex: logIndex(first) }
  }
  return {
    kind: 'append-reject',
    ...shared,
    rejectedIndex: logIndex(first),
    hintIndex: logIndex(second),
    hintTerm: term(third),
  }
}

function decodeRead(body: WireReader): { readonly context: string; readonly index: LogIndex } {
  let context = ''
  let index = 0
  for (let field = body.next(); field !== 0; field = body.next()) {
    if (field === 1) context = body.text()
    else if (field === 2) index = body.uint()
    else body.skip()
  }
  return { context, index: logIndex(index) }
}

function decodeOffered(body: WireReader): SnapshotMeta {
  let snapshot: WireReader | undefined
  for (let field = body.next(); field !== 0; field = body.next()) {
    if (field === 1) snapshot = body.nested()
    else body.skip()
  }
  if (snapshot === undefined) throw new WireError('an offer is of no snapshot')
  return decodeSnapshotMeta(snapshot)
}

/** Messages that consist of numbers in fields 1 to `count`. */
function numbers(body: WireReader, count: number): readonly number[] {
  const found = new Array<number>(count).fill(0)
  for (let field = body.next(); field !== 0; field = body.next()) {
    if (field <= count) found[field - 1] = body.uint()
    else body.skip()
  }
  return found
}
