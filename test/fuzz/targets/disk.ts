/**
 * Decoders of what a server reads back from its disk: records of the log, the image of the state.
 */

import { crc32 } from 'node:zlib'
import { AssertionError } from '../../../core/assert.ts'
import type { Command } from '../../../core/catalog/commands.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import { FairleadError } from '../../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import {
  decodeConfiguration,
  encodeConfiguration,
  votersOnly,
} from '../../../core/raft/configuration.ts'
import { logIndex, type SnapshotMeta, serverId, term } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import { wallTime } from '../../../core/time.ts'
import {
  decodeEntry,
  decodeHardState,
  decodeIdentity,
  decodeIndex,
  decodeLogStart,
  decodeSnapshotPointer,
  encodeEntry,
  encodeHardState,
  encodeIdentity,
  encodeIndex,
  encodeLogStart,
  encodeSnapshotPointer,
  entryKey,
  recordKey,
} from '../../../runtime/storage/log-records.ts'
import {
  decodeManifest,
  decodeMeta,
  encodeManifest,
  encodeMeta,
} from '../../../runtime/storage/snapshot-manifest.ts'
import { decodeSlot, encodeSlot } from '../../../runtime/storage/witness-file.ts'
import { type FuzzTarget, never } from '../target.ts'

const ENTRY_KEY = entryKey(3, 7)
const MEMBERS = ['a', 'b', 'c'].map((id) => ({ id: serverId(id), address: `${id}:8300` }))

const META: SnapshotMeta = {
  index: logIndex(9),
  term: term(3),
  chain: CHAIN_START,
  configuration: votersOnly(MEMBERS),
  configurationIndex: logIndex(1),
}

/**
 * A record that says null to damage and throws nothing. Its checksum would hide what lies behind it, so
 * most inputs get a right one after the damage was done.
 */
function record<T>(
  name: string,
  key: Uint8Array,
  encode: (rng: Rng) => Uint8Array,
  decode: (bytes: Uint8Array) => T | null,
): FuzzTarget {
  return {
    name,
    valid: encode,
    decode: (bytes) => {
      if (bytes.length > 4 && (bytes[bytes.length - 1] as number) % 8 !== 0) {
        const view = Buffer.from(bytes)
        view.writeUInt32BE(crc32(view.subarray(4), crc32(key)), 0)
        return decode(view) === null ? null : undefined
      }
      return decode(bytes) === null ? null : undefined
    },
    isDeclared: never,
  }
}

function imageOf(rng: Rng): Uint8Array {
  const store = new StateStore({ datacenter: 'dc1' })
  let index = 0
  const apply = (command: Command): void => void store.apply(++index, command)
  for (let i = rng.range(0, 6); i > 0; i--) {
    apply({
      kind: 'register',
      request: {
        id: '',
        node: `n${rng.range(0, 3)}`,
        address: '10.0.0.1',
        taggedAddresses: { lan: '10.0.0.1' },
        meta: null,
        skipNodeUpdate: false,
        checks: [],
      },
      now: wallTime(1),
    })
    apply({
      kind: 'kv',
      op: {
        verb: 'set',
        entry: {
          key: `k${rng.range(0, 9)}`,
          value: Uint8Array.of(1, 2, 3),
          flags: 7n,
          session: '',
        },
      },
      now: wallTime(1),
    })
  }
  return Buffer.concat([...store.snapshot().image()])
}

export const DISK_TARGETS: readonly FuzzTarget[] = [
  record(
    'log entry',
    ENTRY_KEY,
    (rng) =>
      encodeEntry(
        ENTRY_KEY,
        chainedEntry(CHAIN_START, {
          index: logIndex(7),
          term: term(rng.range(0, 1e6)),
          type: 'normal',
          data: new Uint8Array(rng.range(0, 64)),
        }),
      ),
    (bytes) => decodeEntry(ENTRY_KEY, bytes, logIndex(7)),
  ),
  record(
    'hard state',
    recordKey('hardState'),
    (rng) =>
      encodeHardState({
        seq: rng.range(0, 1e9),
        hardState: { term: term(rng.range(0, 99)), vote: serverId('a'), commit: logIndex(3) },
        last: { index: logIndex(9), chain: CHAIN_START },
      }),
    decodeHardState,
  ),
  record(
    'log start',
    recordKey('logStart'),
    () =>
      encodeLogStart({
        generation: 2,
        anchor: { index: logIndex(9), term: term(3), chain: CHAIN_START },
      }),
    decodeLogStart,
  ),
  record(
    'commit hint',
    recordKey('commitHint'),
    (rng) => encodeIndex('commitHint', logIndex(rng.range(0, 1e9))),
    (bytes) => decodeIndex('commitHint', bytes),
  ),
  {
    name: 'witness slot',
    valid: (rng) =>
      encodeSlot(
        {
          serverId: serverId('a'),
          seq: rng.range(0, 1e9),
          term: term(rng.range(0, 99)),
          vote: rng.range(0, 2) === 0 ? null : serverId('b'),
          lastIndex: logIndex(9),
        },
        rng.range(0, 1e6),
      ),
    decode: (bytes) => (decodeSlot(bytes) === null ? null : undefined),
    isDeclared: never,
  },
  {
    name: 'snapshot meta',
    valid: () => encodeMeta(META),
    decode: (bytes) => (decodeMeta(bytes) === null ? null : undefined),
    isDeclared: never,
  },
  {
    name: 'snapshot manifest',
    valid: (rng) => {
      const digest = '0123456789abcdef'.repeat(4)
      const blocks = [[rng.range(0, 99), 7] as const, [1_048_576, rng.range(0, 1e9)] as const]
      return encodeManifest({ metaSha256: digest, imageSha256: digest, blocks })
    },
    decode: (bytes) => (decodeManifest(bytes) === null ? null : undefined),
    isDeclared: never,
  },
  record(
    'identity',
    recordKey('identity'),
    () => encodeIdentity({ serverId: serverId('a'), clusterId: 'c', epoch: 1 }),
    decodeIdentity,
  ),
  record(
    'snapshot pointer',
    recordKey('snapshot'),
    () => encodeSnapshotPointer({ index: logIndex(9), term: term(3) }),
    decodeSnapshotPointer,
  ),
  {
    name: 'config entry',
    valid: () => encodeConfiguration(votersOnly(MEMBERS)),
    decode: (bytes) => encodeConfiguration(decodeConfiguration(bytes)),
    // Config entries are never foreign: their bytes passed a checksum and the decoder of the wire.
    isDeclared: (thrown) => thrown instanceof AssertionError || thrown instanceof SyntaxError,
  },
  {
    name: 'state image',
    valid: imageOf,
    decode: (bytes) => {
      const store = new StateStore({ datacenter: 'dc1' })
      store.restore([bytes])
      return Buffer.concat([...store.snapshot().image()])
    },
    isDeclared: (thrown) => thrown instanceof FairleadError,
  },
]
