/**
 * What is said while images travel: nothing is lost, the generated code agrees, bytes of others do no harm.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import type { SnapshotOfferMessage } from '../../../../core/raft/messages.ts'
import { ImagePartSchema } from '../../../../proto/gen/fairlead_pb.ts'
import { ImageDownSchema, ImageUpSchema } from '../../../../proto/gen/raft_pb.ts'
import {
  decodeImageDown,
  decodeImageUp,
  encodeImageDown,
  encodeImageUp,
  type ImageDown,
  type ImageUp,
} from '../../../../runtime/rpc/image-codec.ts'
import { decodePart, encodePart, type ImagePart } from '../../../../runtime/rpc/image-part.ts'
import { WireError } from '../../../../runtime/rpc/wire-reader.ts'
import { anyMessage } from './raft-messages.ts'

const anyOffer = anyMessage.filter(
  (message): message is SnapshotOfferMessage => message.kind === 'snapshot-offer',
)
const size = fc.maxSafeNat()
const plain = { noNullPrototype: true }
const anyUp: fc.Arbitrary<ImageUp> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('offer' as const),
      cluster: fc.record({ clusterId: fc.uuid(), epoch: fc.nat() }, plain),
      message: anyOffer,
      sizeBytes: size,
      digest: fc.stringMatching(/^[0-9a-f]{64}$/),
    },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant('chunk' as const),
      offset: size,
      data: fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
    },
    plain,
  ),
)
const anyDown: fc.Arbitrary<ImageDown> = fc.oneof(
  fc.record({ kind: fc.constant('accept' as const), resumeFrom: size }, plain),
  fc.record({ kind: fc.constant('ack' as const), received: size }, plain),
  fc.constant({ kind: 'decline' as const }),
  fc.constant({ kind: 'done' as const }),
)

describe('the codec of images', () => {
  it('gives back what was said, in the bytes of the generated code', () => {
    fc.assert(
      fc.property(anyUp, anyDown, (up, down) => {
        const upBytes = encodeImageUp(up)
        assert.deepEqual(decodeImageUp(upBytes), up)
        const upAgain = toBinary(ImageUpSchema, fromBinary(ImageUpSchema, upBytes))
        assert.ok(upBytes.equals(upAgain))
        const downBytes = encodeImageDown(down)
        assert.deepEqual(decodeImageDown(downBytes), down)
        const downAgain = toBinary(ImageDownSchema, fromBinary(ImageDownSchema, downBytes))
        assert.ok(downBytes.equals(downAgain))
      }),
      { numRuns: 200 },
    )
  })

  it('throws nothing but WireError for any bytes, and finds a changed chunk', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(anyUp, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([up, at, xor]) => {
        const bytes = Buffer.from(encodeImageUp(up))
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ xor
        return bytes
      }),
    )
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        for (const decode of [decodeImageUp, decodeImageDown]) {
          try {
            decode(Buffer.from(bytes))
          } catch (thrown) {
            if (!(thrown instanceof WireError)) throw thrown
          }
        }
      }),
      { numRuns: 2_000 },
    )
    const chunk = Buffer.from(encodeImageUp({ kind: 'chunk', offset: 5, data: Buffer.from('abc') }))
    chunk[chunk.length - 1] = 0
    assert.throws(() => decodeImageUp(chunk), /checksum/)
  })
})

describe('parts of images of the state', () => {
  it('cross whole, in the bytes of the generated code', () => {
    const parts: readonly ImagePart[] = [
      { kind: 'head', value: { index: 7, list: ['ü', null] } },
      { kind: 'chunk', bytes: Buffer.from([0, 1, 255]) },
    ]
    for (const part of parts) {
      const bytes = encodePart(part)
      assert.deepEqual(decodePart(bytes), part)
      assert.ok(bytes.equals(toBinary(ImagePartSchema, fromBinary(ImagePartSchema, bytes))))
    }
  })

  it('tell what is no part, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const part = decodePart(Buffer.from(bytes))
        if (part.kind === 'undecodable') assert.ok(part.error instanceof FairleadError)
      }),
      { numRuns: 1_000 },
    )
    assert.equal(decodePart(Buffer.from('garbage!')).kind, 'undecodable')
  })
})
