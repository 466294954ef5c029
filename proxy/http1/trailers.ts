/**
 * Trailer sections: which fields may come after a body (RFC 9110 6.5.1). Anything else is dropped.
 */

import { keptFields } from './canonical-text.ts'
import {
  FIELD_CLIENT_CERT,
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  HOP_BY_HOP_MASK,
} from './field-ids.ts'
import type { HeadParser } from './head-parser.ts'

const FORBIDDEN_MASK =
  HOP_BY_HOP_MASK |
  (1 << FIELD_HOST) |
  (1 << FIELD_CONTENT_LENGTH) |
  (1 << FIELD_EXPECT) |
  (1 << FIELD_CLIENT_CERT)

/** Framing, routing, authentication and what must be known before the body is read. */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
  'cache-control',
  'max-forwards',
  'range',
])

/** The fields of a parsed section that may be forwarded, each with its CRLF; '' when there are none. */
export function trailerText(parser: HeadParser, bytes: Buffer, base: number): string {
  if (parser.fieldCount === 0) return ''
  return keptFields(parser, bytes, base, FORBIDDEN_MASK, FORBIDDEN_TRAILERS)
}
