/**
 * Arbitrary messages of gossip, for properties of the codecs.
 */

import fc from 'fast-check'
import type {
  MemberRow,
  PacketMessage,
  QueryResponse,
  StreamHeader,
  StreamMessage,
  UserEvent,
} from '../../../../core/swim/messages.ts'
import { DIGEST_WORDS } from '../../../../core/swim/state-digest.ts'
import { SWIM_STATES } from '../../../../core/swim/types.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const byte = fc.integer({ min: 0, max: 255 })
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })
const name = fc.oneof(
  fc.stringMatching(/^[a-z0-9.-]{1,40}$/),
  fc.constantFrom('ä', '名前', 'x'.repeat(255), 'a b/c'),
)
const address = fc.oneof(fc.ipV4(), fc.constantFrom('::1', 'fe80::1', '2001:db8::ffff'))
const port = fc.integer({ min: 1, max: 65_535 })
const where = { address, port }
const facts = {
  name,
  id: fc.string({ maxLength: 16 }),
  ...where,
  meta: fc.uint8Array({ maxLength: 512 }),
  versions: fc.record({ min: byte, max: byte, current: byte }),
}

export const userEvent: fc.Arbitrary<UserEvent> = fc.record({
  time,
  name,
  payload: fc.uint8Array({ maxLength: 256 }),
})

const shortName = fc.stringMatching(/^[a-z0-9.*-]{1,30}$/)

const queryResponse: fc.Arbitrary<QueryResponse> = fc.record({
  time,
  id: u32,
  from: name,
  isAck: fc.boolean(),
  payload: fc.uint8Array({ maxLength: 256 }),
})

export const packetMessage: fc.Arbitrary<PacketMessage> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), seq: u32, target: name }),
  fc.record({
    kind: fc.constant('indirect-ping' as const),
    seq: u32,
    target: name,
    ...where,
    wantsNack: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('ack' as const),
    seq: u32,
    payload: fc.uint8Array({ maxLength: 256 }),
  }),
  fc.record({ kind: fc.constant('nack' as const), seq: u32 }),
  fc.record({ kind: fc.constant('alive' as const), incarnation: u32, ...facts }),
  fc.record({ kind: fc.constant('suspect' as const), incarnation: u32, name, from: name }),
  fc.record({ kind: fc.constant('dead' as const), incarnation: u32, name, from: name }),
  fc.record({ kind: fc.constant('join-intent' as const), time, name }),
  fc.record({ kind: fc.constant('leave-intent' as const), time, name, prune: fc.boolean() }),
  userEvent.map((event) => ({ kind: 'user-event' as const, ...event })),
  fc.record({
    kind: fc.constant('query' as const),
    time,
    id: u32,
    origin: name,
    wantsAck: fc.boolean(),
    relayFactor: fc.nat(5),
    timeoutMs: fc.nat(600_000),
    filters: fc.record({
      nodes: fc.array(shortName, { maxLength: 3 }),
      tags: fc.array(fc.record({ tag: shortName, pattern: shortName }), { maxLength: 3 }),
    }),
    name: shortName,
    payload: fc.uint8Array({ maxLength: 200 }),
  }),
  queryResponse.map((response) => ({ kind: 'query-response' as const, ...response })),
  fc.record({ kind: fc.constant('relay' as const), target: name, response: queryResponse }),
  fc.record({
    kind: fc.constant('catalog-notice' as const),
    epoch: fc.string({ maxLength: 16 }),
    term: time,
    index: time,
    beat: time,
  }),
)

const row: fc.Arbitrary<MemberRow> = fc.record({
  ...facts,
  incarnation: u32,
  state: fc.constantFrom(...SWIM_STATES),
  statusTime: time,
  hasLeft: fc.boolean(),
  isFresh: fc.boolean(),
})
const header = {
  from: name,
  lamportTime: time,
  eventTime: time,
  queryTime: time,
  eventDigest: fc.record({ high: u32, low: u32 }),
}
/** With and without a notice. */
const notice = fc.record({ epoch: fc.constantFrom('c/1', ''), term: time, index: time, beat: time })
const withNotice = <T extends StreamHeader>(message: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc
    .tuple(message, fc.option(notice, { nil: undefined }))
    .map(([each, found]) => (found === undefined ? each : { ...each, notice: found }))

export const streamMessage: fc.Arbitrary<StreamMessage> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), seq: u32, target: name }),
  fc.record({
    kind: fc.constant('ack' as const),
    seq: u32,
    payload: fc.uint8Array({ maxLength: 256 }),
  }),
  withNotice(
    fc.record({
      kind: fc.constant('state' as const),
      ...header,
      isJoin: fc.boolean(),
      rows: fc.array(row, { maxLength: 5 }),
      events: fc.array(userEvent, { maxLength: 4 }),
    }),
  ),
  withNotice(
    fc.record({
      kind: fc.constant('digest' as const),
      ...header,
      digest: fc.uint32Array({ minLength: DIGEST_WORDS, maxLength: DIGEST_WORDS }),
    }),
  ),
  withNotice(
    fc.record({
      kind: fc.constant('differences' as const),
      ...header,
      buckets: fc.uint8Array({ maxLength: 256 }),
      rows: fc.array(row, { maxLength: 5 }),
      events: fc.array(userEvent, { maxLength: 4 }),
    }),
  ),
  fc.record({ kind: fc.constant('refusal' as const), reason: fc.string({ maxLength: 200 }) }),
)
