/**
 * Formats of access logs: Envoy's operators, what they print, and what is said of mistakes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileLogFormat, logFormatProblem } from '../../../../core/exchange/log-format.ts'
import { logTime } from '../../../../core/exchange/log-time.ts'
import type { ExchangeRecord } from '../../../../core/exchange/record.ts'

const REQUEST: Readonly<Record<string, string>> = { host: 'payments', 'user-agent': 'curl/8 "x"' }

const RECORD: ExchangeRecord = {
  direction: 'inbound',
  startedAt: Date.UTC(2026, 10, 27, 4, 5, 6) + 7.25,
  durationMs: 12.6,
  responseStartMs: 11.2,
  method: 'GET',
  path: '/a?b=1',
  protocol: 'HTTP/1.1',
  status: 503,
  flags: ['UF'],
  details: 'why',
  receivedBytes: 0,
  sentBytes: 19,
  attempts: 2,
  source: 'web',
  destination: 'payments',
  listener: 'public_listener',
  route: '',
  cluster: 'local_app',
  upstreamHost: '127.0.0.1:80',
  localAddress: '[::1]:21000',
  remoteAddress: '10.0.0.1:4000',
  peerUri: 'spiffe://td.consul/ns/default/dc/dc1/svc/web',
  tlsVersion: 'TLSv1.3',
  serverName: '',
  failureReason: '',
  connectionId: 4,
  traceId: '',
  requestField: (name) => REQUEST[name],
  responseField: () => undefined,
}

const text = (format: string): string =>
  compileLogFormat({ kind: 'text', text: format }, { hostname: 'vm-a' })(RECORD).slice(0, -1)

describe('formats of access logs', () => {
  it('print operators in a text, and a dash for what is absent', () => {
    assert.equal(text('%REQ(:METHOD)% %REQ(X?:PATH)% 100%%'), 'GET /a?b=1 100%')
    assert.equal(text('%REQ(X-NONE)% %ROUTE_NAME% %RESP(SERVER)%'), '- - -')
    assert.equal(text('%REQ(USER-AGENT):4%|%RESPONSE_FLAGS%|%DURATION%'), 'curl|UF|13')
    assert.equal(text('%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%'), '[::1]')
    assert.equal(text('%DYNAMIC_METADATA(consul:service)% %HOSTNAME%'), 'web vm-a')
    assert.equal(
      text('%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s)%'),
      '2026/11/27 04:05:06.007 1795752306',
    )
  })

  it('keep numbers in JSON, and null for what is absent', () => {
    const fields = {
      code: '%RESPONSE_CODE%',
      text: 'code=%RESPONSE_CODE%',
      route: '%ROUTE_NAME%',
      deep: { agent: '%REQ(USER-AGENT)%', list: ['%BYTES_SENT%', 7, true] },
    }
    const line = compileLogFormat({ kind: 'json', fields }, { hostname: '' })(RECORD)
    assert.ok(line.endsWith('}\n'))
    assert.deepEqual(JSON.parse(line), {
      code: 503,
      text: 'code=503',
      route: null,
      deep: { agent: 'curl/8 "x"', list: [19, 7, true] },
    })
  })

  it('name the operator that is not known', () => {
    const problemOf = (format: string): string | undefined =>
      logFormatProblem({ kind: 'text', text: format })
    assert.equal(problemOf('%NO_SUCH(x)%'), 'unknown operator "%NO_SUCH(x)%"')
    assert.equal(problemOf('a %DURATION'), 'operator without an end: "%DURATION"')
    assert.equal(problemOf('%REQ%'), '%REQ% needs the name of a field: %REQ(HOST)%')
    assert.equal(problemOf('plain'), undefined)
  })

  it('never crash on a format: it compiles, or its problem is told', () => {
    fc.assert(
      fc.property(fc.string(), (format) => {
        if (logFormatProblem({ kind: 'text', text: format }) === undefined) text(format)
      }),
    )
  })

  it('print times as asked, in UTC', () => {
    assert.equal(logTime(RECORD.startedAt), '2026-11-27T04:05:06.007Z')
    assert.equal(logTime(RECORD.startedAt, '%E6S %f'), '06.007250 007250000')
  })
})
