/**
 * The time by which an answer is wanted: read, shortened, written anew.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadline, grpcTimeout, grpcTimeoutMs } from '../../../../proxy/exchange/deadline.ts'
import {
  BODY_NONE,
  BODY_STREAM,
  METHOD_OTHER,
  RequestHead,
} from '../../../../proxy/http1/message.ts'

function head(
  fields: string,
  body: typeof BODY_NONE | typeof BODY_STREAM = BODY_NONE,
): RequestHead {
  const made = new RequestHead(
    `GET / HTTP/1.1\r\nhost: a\r\n${fields}`,
    body,
    0,
    METHOD_OTHER,
    false,
  )
  made.hasTimeout = fields !== ''
  return made
}

test('timeouts of gRPC in every unit, and what is none', () => {
  const cases: [string, number | undefined][] = [
    ['2H', 7_200_000],
    ['3M', 180_000],
    ['4S', 4000],
    ['5m', 5],
    ['6000u', 6],
    ['7000000n', 7],
    ['0m', 0],
    ['123456789m', undefined],
    ['5', undefined],
    ['-5m', undefined],
    ['5 m', undefined],
    ['', undefined],
  ]
  for (const [text, ms] of cases) assert.equal(grpcTimeoutMs(text), ms, text)
})

test('a written timeout has at most eight digits and is never longer', () => {
  for (const ms of [1, 99_999_999, 100_000_000, 1e11, 3.59e14]) {
    const text = grpcTimeout(ms)
    assert.match(text, /^\d{1,8}[mSH]$/)
    const read = grpcTimeoutMs(text) as number
    assert.ok(read <= ms && read > 0.9 * ms, text)
  }
})

test('each attempt is told what is left, once', () => {
  const request = head('grpc-timeout: 10S\r\nx-envoy-expected-rq-timeout-ms: 4000\r\nx-a: 1\r\n')
  const deadline = Deadline.of(request, 1000)
  assert.ok(deadline !== undefined)
  assert.equal(deadline.endsAt, 5000)
  deadline.tell(request, 2000)
  deadline.tell(request, 2500)
  assert.equal(
    request.text,
    'GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\ngrpc-timeout: 2500m\r\nx-envoy-expected-rq-timeout-ms: 2500\r\n',
  )
  assert.equal(deadline.leftMs(9000), 0)
})

test('the time of a route is told for what has no body, and shortens what the caller gives', () => {
  const plain = head('')
  plain.responseTimeoutMs = 700
  const deadline = Deadline.of(plain, 0)
  assert.equal(deadline?.endsAt, 700)
  assert.equal(deadline.callerEndsAt, undefined)
  const streamed = head('', BODY_STREAM)
  streamed.responseTimeoutMs = 700
  assert.equal(Deadline.of(streamed, 0), undefined)
  const both = head('x-envoy-expected-rq-timeout-ms: 900\r\n')
  both.responseTimeoutMs = 700
  assert.equal(Deadline.of(both, 0)?.endsAt, 700)
  assert.equal(Deadline.of(both, 0)?.callerEndsAt, 900)
})

test('what cannot be read stays as it came', () => {
  const odd = head('grpc-timeout: soon\r\nx-envoy-expected-rq-timeout-ms: 0\r\n')
  assert.equal(Deadline.of(odd, 0), undefined)
  assert.match(odd.text, /grpc-timeout: soon/)
})
