/**
 * The body of coordinate/update (http-api.md 18): a node, a segment, its coordinate.
 */

import type { CoordinateRecord } from '../../../core/catalog/types.ts'
import { coordinateFault } from '../../../core/coordinates/coordinate.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { type Decoder, list, string } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'

/** JSON can say numbers that are too large to be any: they are judged with the whole coordinate. */
const float: Decoder<number> = {
  type: 'float64',
  read: (input, at) => (typeof input === 'number' ? input : at.mismatch(input, 'float64')),
}

const COORDINATE = object('Coordinate', {
  vec: field('Vec', list(float), []),
  error: field('Error', float, 0),
  adjustment: field('Adjustment', float, 0),
  height: field('Height', float, 0),
})

const UPDATE = object(
  'CoordinateUpdateRequest',
  {
    node: field('Node', string, ''),
    segment: field('Segment', string, ''),
    coordinate: optional('Coord', COORDINATE),
  },
  { unknownFields: 'ignore' },
)

/** @throws FairleadError BAD_REQUEST, REJECTED */
export function placeFromBody(body: string): CoordinateRecord {
  const { node, segment, coordinate } = decodeBody(UPDATE, body)
  if (node === '') throw new FairleadError('BAD_REQUEST', 'Missing node name')
  if (coordinate === undefined) throw new FairleadError('BAD_REQUEST', 'Missing coordinate')
  const fault = coordinateFault(coordinate)
  if (fault !== undefined) throw new FairleadError('REJECTED', fault)
  return { node, segment, coordinate }
}
