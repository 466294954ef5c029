/**
 * The text of a join token: what was written is read, and nothing else is.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import {
  isJoinTicket,
  type JoinTicket,
  readJoinTicket,
  writeJoinTicket,
} from '../../../../core/join/join-token.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64url')
const decode = (text: string): string => Buffer.from(text, 'base64url').toString()

const TICKET: JoinTicket = {
  servers: ['10.0.0.5:8300', '[fd00::5]:8300'],
  serverName: 'server.dc1.consul',
  pin: 'p'.repeat(43),
  secret: 's'.repeat(43),
}

it('is one word, and says what was put in', () => {
  const text = writeJoinTicket(TICKET, encode)
  assert.match(text, /^flj1_[A-Za-z0-9_-]+$/)
  assert.ok(isJoinTicket(text) && !isJoinTicket('10.0.0.5'))
  assert.deepEqual(readJoinTicket(` ${text}\n`, decode), TICKET)
})

it('cut short, or made up, is refused in our words', () => {
  const text = writeJoinTicket(TICKET, encode)
  const refuses = (given: string): void => {
    try {
      assert.deepEqual(readJoinTicket(given, decode), TICKET)
    } catch (thrown) {
      assert.ok(thrown instanceof FairleadError && thrown.code === 'BAD_REQUEST', String(thrown))
    }
  }
  for (let at = 0; at < text.length; at++) {
    assert.throws(() => readJoinTicket(text.slice(0, at), decode), { code: 'BAD_REQUEST' })
  }
  fc.assert(fc.property(fc.string(), (rest) => refuses(`flj1_${rest}`)))
  fc.assert(fc.property(fc.json(), (json) => refuses(`flj1_${encode(json)}`)))
  for (const wrong of [
    { ...TICKET, serverName: 'evil.example' },
    { ...TICKET, servers: [] },
    { ...TICKET, servers: ['no port'] },
    { ...TICKET, pin: 'short' },
    { ...TICKET, secret: '' },
  ]) {
    assert.throws(() => readJoinTicket(writeJoinTicket(wrong, encode), decode))
  }
})
