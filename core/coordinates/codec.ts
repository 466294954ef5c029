/**
 * Bytes of a coordinate, as an ack of gossip carries one. Pure.
 *
 * Version, number of dimensions, then error, adjustment, height and the dimensions as 64 bit floats, big endian: 90
 * bytes for 8 dimensions. Guarantees: what is decoded is valid (every number finite) and the start of the payload only:
 * later versions may add behind it. Anything else, also of another version, is undefined; never throws.
 * Bound: DIMENSIONS_MAX.
 */

import { type Coordinate, isValidCoordinate } from './coordinate.ts'

const VERSION = 1
export const DIMENSIONS_MAX = 24
const HEAD_SIZE = 2
const FLOAT_SIZE = 8
/** Error, adjustment, height. */
const SCALARS = 3

/** @param coordinate of at most DIMENSIONS_MAX dimensions */
export function encodeCoordinate({ vec, error, adjustment, height }: Coordinate): Uint8Array {
  const bytes = new Uint8Array(HEAD_SIZE + FLOAT_SIZE * (SCALARS + vec.length))
  const view = new DataView(bytes.buffer)
  bytes[0] = VERSION
  bytes[1] = vec.length
  let at = HEAD_SIZE
  for (const value of [error, adjustment, height, ...vec]) {
    view.setFloat64(at, value)
    at += FLOAT_SIZE
  }
  return bytes
}

export function decodeCoordinate(bytes: Uint8Array): Coordinate | undefined {
  const dimensions = bytes[1] ?? 0
  if (bytes[0] !== VERSION || dimensions === 0 || dimensions > DIMENSIONS_MAX) return undefined
  if (bytes.length < HEAD_SIZE + FLOAT_SIZE * (SCALARS + dimensions)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const number = (i: number): number => view.getFloat64(HEAD_SIZE + FLOAT_SIZE * i)
  const coordinate: Coordinate = {
    error: number(0),
    adjustment: number(1),
    height: number(2),
    vec: Array.from({ length: dimensions }, (_, i) => number(SCALARS + i)),
  }
  return isValidCoordinate(coordinate) ? coordinate : undefined
}
