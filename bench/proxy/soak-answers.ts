/**
 * What the application of the soak answers, so that a caller can tell a wrong answer from a right one: checksums of what
 * was asked and of what is answered.
 */

import { hash } from 'node:crypto'

/** Checksum of a request. */
export function checksumOf(path: string, body: Buffer): string {
  return hash('sha1', Buffer.concat([Buffer.from(`${path}\n`), body]), 'hex')
}

/** So many bytes that no other request is answered with. */
export function answerTo(checksum: string, length: number): Buffer {
  const pattern = Buffer.from(checksum, 'latin1')
  return Buffer.alloc(length, pattern)
}
