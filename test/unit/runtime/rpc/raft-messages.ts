/**
 * Raft messages for tests: one of each kind with any content, and appends of a wanted size.
 */

import fc from 'fast-check'
import { ENTRY_TYPE_CODES } from '../../../../core/raft/chain.ts'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import type { AppendMessage, RaftMessage } from '../../../../core/raft/messages.ts'
import {
  chain,
  type Entry,
  type EntryType,
  logIndex,
  serverId,
  term,
} from '../../../../core/raft/types.ts'

function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>
}

const count = fc.oneof(
  fc.nat({ max: 300 }),
  fc.maxSafeNat().map((n) => Math.floor(n / 2)),
)
const index = count.map(logIndex)
const anyTerm = count.map(term)
const anyChain = fc.maxSafeNat().map(chain)
const id = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).map(serverId)
const header = { from: id, to: id, term: anyTerm }
const text = fc.string({ maxLength: 60, unit: 'grapheme' })
const types = Object.keys(ENTRY_TYPE_CODES) as EntryType[]

const replyFields = {
  ...header,
  seq: count,
  boot: text,
  isRecovering: fc.boolean(),
  lastIndex: index,
  appliedIndex: index,
}

const append: fc.Arbitrary<RaftMessage> = record({
  ...header,
  kind: fc.constant('append' as const),
  prevIndex: index,
  prevTerm: anyTerm,
  prevChain: anyChain,
  leaderCommit: index,
  seq: count,
  entries: fc.array(
    record({
      term: anyTerm,
      type: fc.constantFrom(...types),
      data: fc.uint8Array({ maxLength: 300 }),
      chain: anyChain,
    }),
    { maxLength: 8 },
  ),
}).map(({ entries, ...rest }) => ({
  ...rest,
  entries: entries.map((entry, i) => ({ index: logIndex(rest.prevIndex + 1 + i), ...entry })),
}))

const configuration = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,36}$/), { minLength: 1, maxLength: 7 })
  .map((ids) => votersOnly(ids.map((name) => ({ id: serverId(name), address: `${name}:8300` }))))
  .map((voters) => ({ ...voters, autoLeave: false }))

/** Any message that a server could send. */
export const anyMessage: fc.Arbitrary<RaftMessage> = fc.oneof(
  append,
  record({ kind: fc.constant('append-ack' as const), ...replyFields, matchIndex: index }),
  record({
    kind: fc.constant('append-reject' as const),
    ...replyFields,
    rejectedIndex: index,
    hintIndex: index,
    hintTerm: anyTerm,
  }),
  record({
    kind: fc.constant('heartbeat' as const),
    ...header,
    commit: index,
    readSeq: count,
    leaseSeq: count,
  }),
  record({
    kind: fc.constant('heartbeat-ack' as const),
    ...header,
    readSeq: count,
    leaseSeq: count,
    isRecovering: fc.boolean(),
  }),
  record({
    kind: fc.constantFrom('pre-vote' as const, 'vote' as const),
    ...header,
    lastIndex: index,
    lastTerm: anyTerm,
    transfer: fc.boolean(),
  }),
  record({
    kind: fc.constantFrom('pre-vote-reply' as const, 'vote-reply' as const),
    ...header,
    granted: fc.boolean(),
  }),
  record({ kind: fc.constant('timeout-now' as const), ...header }),
  record({ kind: fc.constant('read-request' as const), ...header, context: text }),
  record({ kind: fc.constant('read-reply' as const), ...header, context: text, index }),
  record({
    kind: fc.constant('snapshot-offer' as const),
    ...header,
    snapshot: record({
      index,
      term: anyTerm,
      chain: anyChain,
      configuration,
      configurationIndex: index,
    }),
  }),
)

export function makeAppend(options: {
  readonly entries: number
  readonly dataBytes?: number
  readonly from?: string
  readonly to?: string
  readonly prevIndex?: number
  readonly seq?: number
}): AppendMessage {
  const { entries, dataBytes = 512, from = 'a', to = 'b', prevIndex = 41, seq = 7 } = options
  return {
    kind: 'append',
    from: serverId(from),
    to: serverId(to),
    term: term(5),
    prevIndex: logIndex(prevIndex),
    prevTerm: term(5),
    prevChain: chain(123_456_789_012_345),
    leaderCommit: logIndex(prevIndex),
    seq,
    entries: Array.from({ length: entries }, (_, i) => makeEntry(prevIndex + 1 + i, dataBytes)),
  }
}

function makeEntry(at: number, dataBytes: number): Entry {
  const data = new Uint8Array(dataBytes).fill(at)
  return { index: logIndex(at), term: term(5), type: 'normal', data, chain: chain(at * 1_000_003) }
}
