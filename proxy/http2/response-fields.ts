/**
 * A response head of HTTP/2 as it travels inside the proxy: canonical HTTP/1.1 text (RFC 9113 8.3.2).
 *
 * Collects the fields of one block at a time. As strict as for requests: a response that is malformed is not forwarded.
 */

import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  contentLengthOf,
  ResponseHead,
} from '../http1/message.ts'
import { reasonPhrase } from '../http1/reason-phrases.ts'
import {
  BAD,
  CUT,
  DATE,
  type Field,
  HOST,
  LENGTH,
  METHOD,
  SERVICE_TIME,
  STATUS,
  TE,
} from './field.ts'
import type { FieldSink } from './hpack-decoder.ts'

export class ResponseFields implements FieldSink {
  #isMalformed = false
  #status = ''
  #length = ''
  #hasDate = false
  #hasRegular = false
  #text = ''

  reset(): void {
    this.#isMalformed = false
    this.#status = ''
    this.#length = ''
    this.#hasDate = false
    this.#hasRegular = false
    this.#text = ''
  }

  field(field: Field): void {
    const { kind, value } = field
    if (kind >= METHOD && kind <= STATUS) {
      if (kind !== STATUS || this.#hasRegular || this.#status !== '') this.#isMalformed = true
      this.#status = value
      return
    }
    this.#hasRegular = true
    switch (kind) {
      case BAD:
        this.#isMalformed = true
        return
      case CUT:
      case TE:
      case HOST:
      case SERVICE_TIME:
        return
      case LENGTH:
        if (this.#length !== '' || value === '') this.#isMalformed = true
        this.#length = value
        return
      case DATE:
        this.#hasDate = true
        break
      default:
    }
    this.#text += field.line
  }

  /**
   * @param isEnd nothing follows the head
   * @returns undefined when it is malformed
   */
  head(isHead: boolean, isEnd: boolean): ResponseHead | undefined {
    if (this.#isMalformed || !/^[1-9]\d\d$/.test(this.#status)) return undefined
    const status = Number(this.#status)
    const length = this.#length === '' ? -1 : contentLengthOf(this.#length)
    // 101 does not exist in HTTP/2 (RFC 9113 8.6).
    if (status === 101 || (this.#length !== '' && length < 0)) return undefined
    let text = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${this.#text}`
    if (status < 200) return isEnd ? undefined : new ResponseHead(status, text, BODY_NONE, 0)
    const hasNoBody = isHead || status === 204 || status === 304
    if (hasNoBody && length >= 0 && status !== 204) text += `content-length: ${length}\r\n`
    let head: ResponseHead
    if (hasNoBody) head = new ResponseHead(status, text, BODY_NONE, 0)
    else if (isEnd) {
      if (length > 0) return undefined
      head = new ResponseHead(status, `${text}content-length: 0\r\n`, BODY_NONE, 0)
    } else if (length > 0) {
      text += `content-length: ${length}\r\n`
      head = new ResponseHead(status, text, BODY_LENGTH, length)
    } else {
      // Also one that announces no bytes: trailers may come.
      head = new ResponseHead(status, text, BODY_STREAM, 0)
    }
    head.hasDate = this.#hasDate
    return head
  }
}
