/**
 * Addresses of checks and the words for network errors.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseAddress } from '../../../../runtime/probe/address.ts'
import { dialError, reasonOf } from '../../../../runtime/probe/error-text.ts'
import { ProbeTimeout } from '../../../../runtime/probe/probe.ts'

describe('addresses', () => {
  it('are host and port, IPv6 in brackets', () => {
    assert.deepEqual(parseAddress('10.0.0.5:80'), { host: '10.0.0.5', port: 80 })
    assert.deepEqual(parseAddress('[::1]:443'), { host: '::1', port: 443 })
    assert.deepEqual(parseAddress('db.example:1'), { host: 'db.example', port: 1 })
    assert.deepEqual(parseAddress(':80'), { host: '127.0.0.1', port: 80 })
    for (const bad of ['', 'host', 'host:', 'host:0', 'host:65536', '::1:80', 'host:x']) {
      assert.equal(parseAddress(bad), undefined, bad)
    }
  })

  it('never make the parser throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseAddress(text)))
  })
})

describe('network errors', () => {
  const coded = (code: string, more: object = {}): Error =>
    Object.assign(new Error(`raw ${code}`), { code, ...more })

  it('are told in known words', () => {
    assert.equal(reasonOf(coded('ECONNREFUSED')), 'connect: connection refused')
    assert.equal(reasonOf(coded('ENOTFOUND', { hostname: 'x' })), 'lookup x: no such host')
    assert.equal(reasonOf(coded('EWHATEVER')), 'raw EWHATEVER')
    assert.equal(
      reasonOf(new AggregateError([coded('EHOSTUNREACH'), coded('ECONNREFUSED')])),
      'connect: no route to host',
    )
    assert.equal(reasonOf('text'), 'text')
  })

  it('of a passed time limit say so', () => {
    const abort = new AbortController()
    abort.abort(new ProbeTimeout(5))
    assert.equal(
      dialError('tcp', 'h:1', abort.signal.reason, abort.signal),
      'dial tcp h:1: i/o timeout',
    )
  })
})
