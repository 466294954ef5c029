/**
 * Decoders of what servers and members of the pool say to each other, and of the file that recovers them.
 */

import { FairleadError } from '../../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import { encodeConfiguration, votersOnly } from '../../../core/raft/configuration.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { logIndex, serverId, term } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import type { PacketMessage, StreamMessage } from '../../../core/swim/messages.ts'
import { decodeCompound, encodeCompound, encodeMessage } from '../../../core/swim/packet-codec.ts'
import { decodeStreamMessage, encodeStreamMessage } from '../../../core/swim/stream-codec.ts'
import { PROTOCOL_VERSIONS } from '../../../core/swim/types.ts'
import { WireError as SwimWireError } from '../../../core/swim/wire.ts'
import {
  decodeFromAgent,
  encodeFeedMessage,
  type FromAgent,
} from '../../../runtime/rpc/feed-messages.ts'
import { decodeFrame, encodeFrame } from '../../../runtime/rpc/raft-frame.ts'
import {
  decodeMessage,
  encodeMessage as encodeRaft,
  roomFor,
} from '../../../runtime/rpc/raft-message-codec.ts'
import { WireError } from '../../../runtime/rpc/wire-reader.ts'
import { WireWriter } from '../../../runtime/rpc/wire-writer.ts'
import { checkedFeedMessage } from '../../../server/feeds/feed-shapes.ts'
import { parsePeersFile } from '../../../server/raft/peers-file.ts'
import { type FuzzTarget, never } from '../target.ts'

const A = serverId('a')
const B = serverId('b')
const CONFIGURATION = votersOnly([
  { id: A, address: 'a:8300' },
  { id: B, address: 'b:8300' },
])
const CLUSTER = { clusterId: '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11', epoch: 2 }

function raftMessage(rng: Rng): RaftMessage {
  const header = { from: A, to: B, term: term(rng.range(1, 1e6)) }
  const first = chainedEntry(CHAIN_START, {
    index: logIndex(8),
    term: term(1),
    type: 'normal',
    data: new Uint8Array(rng.range(0, 50)).fill(7),
  })
  const second = chainedEntry(first.chain, {
    index: logIndex(9),
    term: term(1),
    type: 'config',
    data: encodeConfiguration(CONFIGURATION),
  })
  const reply = {
    seq: 3,
    boot: 'a/17',
    isRecovering: rng.float() < 0.5,
    lastIndex: logIndex(9),
    appliedIndex: logIndex(8),
  }
  const messages: readonly RaftMessage[] = [
    {
      ...header,
      kind: 'append',
      prevIndex: logIndex(7),
      prevTerm: term(1),
      prevChain: CHAIN_START,
      entries: [first, second],
      leaderCommit: logIndex(7),
      seq: 5,
    },
    { ...header, ...reply, kind: 'append-ack', matchIndex: logIndex(9) },
    {
      ...header,
      ...reply,
      kind: 'append-reject',
      rejectedIndex: logIndex(9),
      hintIndex: logIndex(4),
      hintTerm: term(1),
    },
    { ...header, kind: 'heartbeat', commit: logIndex(7), readSeq: 4, leaseSeq: 6 },
    { ...header, kind: 'vote', lastIndex: logIndex(7), lastTerm: term(1), transfer: true },
    { ...header, kind: 'read-reply', context: 'x/1', index: logIndex(7) },
    {
      ...header,
      kind: 'snapshot-offer',
      snapshot: {
        index: logIndex(7),
        term: term(1),
        chain: CHAIN_START,
        configuration: CONFIGURATION,
        configurationIndex: logIndex(2),
      },
    },
  ]
  return rng.pick(messages) as RaftMessage
}

function raftBytes(message: RaftMessage): Buffer {
  const out = new WireWriter(roomFor(message))
  encodeRaft(out, message)
  return out.finish()
}

const FACTS = {
  name: 'node-1',
  id: '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11',
  address: '10.0.0.1',
  port: 8301,
  meta: Uint8Array.of(1, 2, 3),
  versions: PROTOCOL_VERSIONS,
}

function packetMessages(rng: Rng): PacketMessage[] {
  const seq = rng.u32()
  const response = { time: 4, id: seq, from: 'node-2', isAck: false, payload: Uint8Array.of(7) }
  return [
    { kind: 'ping', seq, target: 'node-1' },
    { kind: 'indirect-ping', seq, target: 'n', address: '10.0.0.2', port: 8301, wantsNack: true },
    { kind: 'ack', seq, payload: Uint8Array.of(9) },
    { kind: 'alive', incarnation: 4, ...FACTS },
    { kind: 'suspect', name: 'node-2', incarnation: 3, from: 'node-1' },
    { kind: 'dead', name: 'node-2', incarnation: 3, from: 'node-2' },
    { kind: 'leave-intent', time: 12, name: 'node-3', prune: true },
    {
      kind: 'query',
      time: 4,
      id: seq,
      origin: 'node-1',
      wantsAck: true,
      relayFactor: 2,
      timeoutMs: 3200,
      filters: { nodes: ['n'], tags: [{ tag: 'role', pattern: '^con' }] },
      name: 'q',
      payload: Uint8Array.of(1),
    },
    { kind: 'query-response', ...response },
    { kind: 'relay', target: 'node-3', response },
    { kind: 'user-event', time: 9, name: 'consul:event:x', payload: Uint8Array.of(4, 5) },
    { kind: 'catalog-notice', epoch: 'c/1', term: 2, index: 300, beat: 4 },
  ]
}

function streamMessage(rng: Rng): StreamMessage {
  const time = rng.range(0, 1e6)
  const header = {
    from: 'node-1',
    lamportTime: time,
    eventTime: time,
    queryTime: 4,
    eventDigest: { high: rng.u32(), low: 7 },
    notice: { epoch: 'c/1', term: 2, index: 300, beat: 4 },
  }
  const events = [{ time, name: 'consul:event:deploy', payload: Uint8Array.of(1, 2, 3) }]
  const row = {
    ...FACTS,
    incarnation: 4,
    state: 'alive',
    statusTime: 7,
    hasLeft: false,
    isFresh: true,
  } as const
  const messages: readonly StreamMessage[] = [
    { kind: 'ping', seq: rng.u32(), target: 'node-1' },
    { kind: 'refusal', reason: 'the name "node-1" is taken' },
    {
      kind: 'state',
      ...header,
      isJoin: true,
      rows: [row, { ...row, name: 'n2', state: 'left' }],
      events,
    },
    { kind: 'differences', ...header, buckets: Uint8Array.of(3, 9), rows: [row], events },
  ]
  return rng.pick(messages) as StreamMessage
}

function fromAgent(rng: Rng): FromAgent {
  const topic = { topic: 'health', key: 'web' } as const
  const messages: readonly FromAgent[] = [
    { kind: 'follow', topic },
    { kind: 'follow', topic, from: { epoch: 'c/1', index: rng.range(0, 1e6) } },
    { kind: 'leave', topic },
    { kind: 'ping' },
  ]
  return rng.pick(messages) ?? { kind: 'ping' }
}

export const CLUSTER_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'message of an agent on its stream of feeds',
    valid: (rng) => encodeFeedMessage(fromAgent(rng)),
    decode: (bytes) => encodeFeedMessage(checkedFeedMessage(decodeFromAgent(Buffer.from(bytes)))),
    isDeclared: (thrown) => thrown instanceof FairleadError,
  },
  {
    name: 'Raft message',
    valid: (rng) => raftBytes(raftMessage(rng)),
    decode: (bytes) => raftBytes(decodeMessage(Buffer.from(bytes))),
    isDeclared: (thrown) => thrown instanceof WireError,
  },
  {
    name: 'Raft frame',
    valid: (rng) =>
      encodeFrame({ cluster: CLUSTER, messages: [raftMessage(rng), raftMessage(rng)] }),
    decode: (bytes) => encodeFrame(decodeFrame(Buffer.from(bytes))),
    isDeclared: (thrown) => thrown instanceof WireError,
  },
  {
    name: 'gossip packet',
    valid: (rng) =>
      encodeCompound(rng.shuffle(packetMessages(rng)).slice(0, rng.range(1, 5)).map(encodeMessage)),
    decode: (bytes) => {
      const { messages, malformed, unknown } = decodeCompound(bytes)
      if (malformed > 0 || unknown > 0 || messages.length === 0) return null
      return encodeCompound(messages.map(encodeMessage))
    },
    isDeclared: never,
  },
  {
    name: 'gossip stream',
    valid: (rng) => encodeStreamMessage(streamMessage(rng)),
    decode: (bytes) => encodeStreamMessage(decodeStreamMessage(bytes)),
    isDeclared: (thrown) => thrown instanceof SwimWireError,
  },
  {
    name: 'peers.json',
    valid: () =>
      Buffer.from(
        '[{"id":"a","address":"10.0.0.1:8300","non_voter":false},{"id":"b","address":"[::1]:8300"}]',
      ),
    decode: (bytes) => {
      const options = { path: 'peers.json', selfId: 'a' }
      parsePeersFile(Buffer.from(bytes).toString('utf8'), options)
      return undefined
    },
    isDeclared: (thrown) => thrown instanceof FairleadError,
  },
]
