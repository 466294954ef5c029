/**
 * A head that is sent besides another: the same request, with nothing of what the first one's route does with it.
 */

import { methodKind, RequestHead } from '../http1/message.ts'

/** Neither counted nor watched, and never tried again by itself. */
export function copyOf(head: RequestHead, text = head.text): RequestHead {
  const kind = methodKind(text.slice(0, text.indexOf(' ')))
  const copy = new RequestHead(text, head.body, head.length, kind, false)
  copy.isHttp2 = head.isHttp2
  copy.hasTimeout = head.hasTimeout
  copy.responseTimeoutMs = head.responseTimeoutMs
  copy.responseEdits = head.responseEdits
  return copy
}
