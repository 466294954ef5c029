/**
 * Decoders around gossip: the seal of packets and streams, with and without encryption, and what speaks of keys.
 */

import { decodeCoordinate, encodeCoordinate } from '../../../core/coordinates/codec.ts'
import { DIMENSIONS, startCoordinate } from '../../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../../core/errors.ts'
import {
  decodeOperatorEvent,
  encodeOperatorEvent,
  isFor,
} from '../../../core/events/operator-event.ts'
import type { Rng } from '../../../core/rng.ts'
import { GossipKey } from '../../../core/swim/gossip-key.ts'
import { Keyring } from '../../../core/swim/keyring.ts'
import {
  decodeKeyringAnswer,
  decodeKeyringRelay,
  decodeKeyringRequest,
  encodeKeyringAnswer,
  encodeKeyringRelay,
  encodeKeyringRequest,
} from '../../../core/swim/keyring-codec.ts'
import { WireError } from '../../../core/swim/wire.ts'
import { FrameReader } from '../../../runtime/gossip/frame-reader.ts'
import { parseKeyring } from '../../../runtime/gossip/keyring-file.ts'
import { MemberCipher } from '../../../runtime/gossip/member-cipher.ts'
import { parseMemberSnapshot } from '../../../runtime/gossip/member-snapshot.ts'
import { Seal } from '../../../runtime/gossip/seal.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import { type FuzzTarget, never } from '../target.ts'

const BODY = Buffer.from('a body of gossip')

function key(rng: Rng): GossipKey {
  const bytes = Uint8Array.from({ length: rng.pick([16, 24, 32]) ?? 32 }, () => rng.range(0, 256))
  const made = GossipKey.fromBytes(bytes)
  if (!(made instanceof GossipKey)) throw new Error(made.reason)
  return made
}

const FIXED = GossipKey.fromBytes(new Uint8Array(32).fill(5))

/** A new receiver each time: one that remembers would refuse all but the first. */
function encryptedSeal(sender: number): Seal {
  if (!(FIXED instanceof GossipKey)) throw new Error(FIXED.reason)
  const cipher = new MemberCipher(new Keyring([FIXED]), Buffer.alloc(8, sender))
  return new Seal('dc1', { cipher, verifyIncoming: false, verifyOutgoing: true })
}

/** What is opened at all must be what was sealed. */
function openedPacket(seal: Seal, bytes: Uint8Array): null | undefined {
  const opened = seal.openPacket(Buffer.from(bytes))
  if (opened.kind === 'refused') return null
  if (opened.isEncrypted && !BODY.equals(opened.body)) throw new Error('a forged packet was opened')
  return undefined
}

function openedStream(seal: Seal, bytes: Uint8Array): null | undefined {
  const result = new FrameReader(seal).push(Buffer.from(bytes))
  if (result.kind !== 'frame') return null
  const opened = seal.openRequest(result.frame)
  if (opened.kind === 'refused') return null
  if (opened.isEncrypted && !BODY.equals(opened.body)) throw new Error('a forged stream was opened')
  return undefined
}

const PLAIN = new Seal('dc1')

export const GOSSIP_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'gossip packet in its seal',
    valid: () => PLAIN.sealPacket(BODY),
    decode: (bytes) => openedPacket(PLAIN, bytes),
    isDeclared: never,
  },
  {
    name: 'encrypted gossip packet',
    valid: () => encryptedSeal(1).sealPacket(BODY),
    decode: (bytes) => openedPacket(encryptedSeal(2), bytes),
    isDeclared: never,
  },
  {
    name: 'encrypted gossip stream',
    valid: () => encryptedSeal(1).sealRequest(BODY, { isSecret: false }).frame,
    decode: (bytes) => openedStream(encryptedSeal(2), bytes),
    isDeclared: never,
  },
  {
    name: 'network coordinate of an ack',
    valid: (rng) => {
      const vec = Array.from({ length: DIMENSIONS }, () => rng.float() - 0.5)
      return encodeCoordinate({ ...startCoordinate(), vec })
    },
    decode: (bytes) => {
      const found = decodeCoordinate(bytes)
      return found === undefined ? null : encodeCoordinate(found)
    },
    isDeclared: never,
  },
  {
    name: 'request about gossip keys',
    valid: (rng) => encodeKeyringRequest({ kind: 'install', key: key(rng) }),
    decode: (bytes) => encodeKeyringRequest(decodeKeyringRequest(bytes)),
    isDeclared: (thrown) => thrown instanceof WireError,
  },
  {
    name: 'request about gossip keys for another',
    valid: (rng) =>
      encodeKeyringRelay('node-1', encodeKeyringRequest({ kind: 'use', key: key(rng) })),
    decode: (bytes) => {
      const { target, request } = decodeKeyringRelay(bytes)
      return encodeKeyringRelay(target, request)
    },
    isDeclared: (thrown) => thrown instanceof WireError,
  },
  {
    name: 'answer about gossip keys',
    valid: (rng) => encodeKeyringAnswer({ kind: 'done', keys: [key(rng), key(rng)] }),
    decode: (bytes) => encodeKeyringAnswer(decodeKeyringAnswer(bytes)),
    isDeclared: (thrown) => thrown instanceof WireError,
  },
  {
    name: 'event of an operator',
    valid: (rng) =>
      encodeOperatorEvent({
        id: newUuid(),
        name: 'deploy',
        nodeFilter: '^web-',
        serviceFilter: rng.pick(['', 'web']) ?? '',
        tagFilter: '',
        payload: Uint8Array.of(rng.range(0, 256), 2),
      }).payload,
    decode: (bytes) => {
      const name = 'consul:event:deploy'
      const event = decodeOperatorEvent({ name, payload: bytes, time: 1 })
      if (event === null) return null
      isFor(event, { node: 'web-1', services: [{ name: 'web', tags: ['v1'] }] })
      return encodeOperatorEvent(event).payload
    },
    isDeclared: never,
  },
  {
    name: 'keyring file',
    valid: (rng) => Buffer.from(JSON.stringify([key(rng).text, key(rng).text])),
    decode: (bytes) => {
      parseKeyring(Buffer.from(bytes).toString('utf8'), 'local.keyring')
      return undefined
    },
    isDeclared: (thrown) => thrown instanceof FairleadError && thrown.code === 'INVALID_CONFIG',
  },
  {
    name: 'file of members',
    valid: () =>
      Buffer.from(
        'alive: 10.0.0.1:8301 n1\nnot-alive: n2\nclock: 7\nevent-clock: 9\nquery-clock: 1\nincarnation: 3\nleave\n',
      ),
    decode: (bytes) => {
      parseMemberSnapshot(Buffer.from(bytes).toString('utf8'))
      return undefined
    },
    isDeclared: never,
  },
]
