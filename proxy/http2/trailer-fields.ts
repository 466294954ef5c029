/**
 * A trailer section of HTTP/2 as canonical fields (RFC 9113 8.1).
 */

import { FORBIDDEN_TRAILERS } from '../http1/trailers.ts'
import { BAD, DATE, type Field, METHOD, PLAIN, STATUS } from './field.ts'
import type { FieldSink } from './hpack-decoder.ts'

export class TrailerFields implements FieldSink {
  isMalformed = false
  /** The fields that may be forwarded, each with its CRLF. */
  text = ''

  reset(): void {
    this.isMalformed = false
    this.text = ''
  }

  field(field: Field): void {
    const { kind } = field
    if (kind === BAD || (kind >= METHOD && kind <= STATUS)) this.isMalformed = true
    else if ((kind === PLAIN || kind === DATE) && !FORBIDDEN_TRAILERS.has(field.name)) {
      this.text += field.line
    }
  }
}

/** For a block of a stream that is over: its fields count for the table only. */
export const NOBODY: FieldSink = { field: () => {} }
