/**
 * Coordinates as bytes of an ack (codec.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeCoordinate, encodeCoordinate } from '../../../../core/coordinates/codec.ts'
import { startCoordinate } from '../../../../core/coordinates/coordinate.ts'

const float = fc.double({ noNaN: true, noDefaultInfinity: true })

describe('the bytes of a coordinate', () => {
  it('are what it was made of', () => {
    const coordinate = fc.record({
      vec: fc.array(float, { minLength: 1, maxLength: 24 }),
      error: float,
      adjustment: float,
      height: float,
    })
    fc.assert(
      fc.property(coordinate, (given) => {
        assert.deepEqual(decodeCoordinate(encodeCoordinate(given)), { ...given })
      }),
    )
  })

  it('are 90 for the dimensions in use', () => {
    assert.equal(encodeCoordinate(startCoordinate()).length, 90)
  })

  it('may be followed by what a later version adds', () => {
    const bytes = encodeCoordinate(startCoordinate())
    assert.deepEqual(decodeCoordinate(Uint8Array.of(...bytes, 1, 2, 3)), startCoordinate())
  })

  it('are none when cut, of another version, without dimensions or with what is no number', () => {
    const bytes = encodeCoordinate(startCoordinate())
    for (let size = 0; size < bytes.length; size++) {
      assert.equal(decodeCoordinate(bytes.subarray(0, size)), undefined)
    }
    assert.equal(decodeCoordinate(Uint8Array.of(2, ...bytes.subarray(1))), undefined)
    assert.equal(decodeCoordinate(Uint8Array.of(1, 0, ...bytes.subarray(2))), undefined)
    assert.equal(decodeCoordinate(Uint8Array.of(1, 25, ...new Uint8Array(240))), undefined)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal(
        decodeCoordinate(encodeCoordinate({ ...startCoordinate(), height: bad })),
        undefined,
      )
    }
  })

  it('never make the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 260 }), (bytes) => {
        const found = decodeCoordinate(bytes)
        if (found !== undefined) assert.deepEqual(decodeCoordinate(encodeCoordinate(found)), found)
      }),
    )
  })
})
