/**
 * Trace contexts in header fields: the examples of their specifications, what is malformed, and back again.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type Incoming,
  PROPAGATIONS,
  readTraceContext,
  type TraceContext,
  traceLines,
} from '../../../../core/tracing/context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

function read(fields: Readonly<Record<string, string>>): Incoming {
  return readTraceContext((name) => fields[name])
}

function contextIn(fields: Readonly<Record<string, string>>): TraceContext | undefined {
  const incoming = read(fields)
  return incoming.kind === 'context' ? incoming.context : undefined
}

describe('trace contexts', () => {
  it('are read from traceparent and tracestate', () => {
    assert.deepEqual(contextIn({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=1, b=2' }), {
      traceId: TRACE,
      spanId: SPAN,
      sampled: true,
      debug: false,
      traceState: 'a=1,b=2',
    })
    assert.equal(contextIn({ traceparent: `00-${TRACE}-${SPAN}-00` })?.sampled, false)
    assert.equal(contextIn({ traceparent: `00-${TRACE}-${SPAN}-03` })?.sampled, true)
    assert.equal(contextIn({ traceparent: `cc-${TRACE}-${SPAN}-01-more` })?.traceId, TRACE)
  })

  it('are none where traceparent is not valid', () => {
    const zeros = '0'.repeat(32)
    for (const traceparent of [
      '',
      `ff-${TRACE}-${SPAN}-01`,
      `00-${zeros}-${SPAN}-01`,
      `00-${TRACE}-${zeros.slice(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      `cc-${TRACE}-${SPAN}-01.more`,
      `00-${TRACE}-${SPAN}`,
    ]) {
      assert.deepEqual(read({ traceparent, tracestate: 'a=1' }), { kind: 'none' }, traceparent)
    }
  })

  it('keep tracestate within what everybody must pass on', () => {
    const long = `long=${'x'.repeat(200)}`
    const many = Array.from({ length: 40 }, (_, i) => `k${i}=1`).join(',')
    const parent = `00-${TRACE}-${SPAN}-01`
    const stateOf = (tracestate: string): string =>
      contextIn({ traceparent: parent, tracestate })?.traceState ?? ''
    const short = Array.from({ length: 10 }, (_, i) => `k${i}=${'y'.repeat(30)}`).join(',')
    assert.equal(stateOf(`${long},${short}`), short)
    assert.equal(stateOf(many), '')
    const fat = Array.from({ length: 10 }, (_, i) => `k${i}=${'y'.repeat(100)}`).join(',')
    assert.ok(stateOf(fat).length <= 512 && stateOf(fat).startsWith('k0='))
  })

  it('are read from b3 in one field, which wins over many', () => {
    const many = { 'x-b3-traceid': '1'.repeat(32), 'x-b3-spanid': '2'.repeat(16) }
    const single = contextIn({ b3: `${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`, ...many })
    assert.equal(single?.traceId, TRACE)
    assert.equal(single?.sampled, true)
    assert.deepEqual(read({ b3: '0' }), { kind: 'decision', sampled: false })
    assert.equal(contextIn({ b3: `${TRACE}-${SPAN}` })?.sampled, undefined)
    const debug = contextIn({ b3: `${TRACE}-${SPAN}-d` })
    assert.deepEqual([debug?.sampled, debug?.debug], [true, true])
    assert.equal(contextIn({ b3: 'nonsense', ...many })?.traceId, '1'.repeat(32))
  })

  it('are read from B3 in many fields; short ids are filled up', () => {
    const ids = { 'x-b3-traceid': SPAN, 'x-b3-spanid': SPAN }
    assert.equal(contextIn(ids)?.traceId, `${'0'.repeat(16)}${SPAN}`)
    assert.equal(contextIn({ ...ids, 'x-b3-sampled': 'true' })?.sampled, true)
    assert.equal(contextIn({ ...ids, 'x-b3-sampled': '0' })?.sampled, false)
    assert.equal(contextIn({ ...ids, 'x-b3-flags': '1' })?.debug, true)
    assert.deepEqual(read({ 'x-b3-sampled': '0' }), { kind: 'decision', sampled: false })
    assert.deepEqual(read({ 'x-b3-traceid': SPAN }), { kind: 'none' })
  })

  it("are read from Jaeger's field, escaped or without leading zeros", () => {
    assert.equal(contextIn({ 'uber-trace-id': 'abc:1:0:1' })?.traceId, 'abc'.padStart(32, '0'))
    assert.equal(contextIn({ 'uber-trace-id': `${TRACE}%3A${SPAN}%3A0%3A0` })?.sampled, false)
    assert.deepEqual(contextIn({ 'uber-trace-id': `${TRACE}:${SPAN}:0:2` })?.debug, true)
    assert.deepEqual(read({ 'uber-trace-id': 'a:b' }), { kind: 'none' })
  })

  it('are read back as they were written, in every form', () => {
    const hex = (length: number): fc.Arbitrary<string> =>
      fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text))
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), fc.constantFrom(...PROPAGATIONS), (...of) => {
        const [traceId, spanId, sampled, form] = of
        const context = { traceId, spanId, sampled, debug: false, traceState: '' }
        const lines = traceLines(context, [form]).split('\r\n').slice(0, -1)
        const fields = Object.fromEntries(lines.map((line) => line.split(': ')))
        assert.deepEqual(contextIn(fields), context)
      }),
    )
  })

  it('are never read from noise as something that cannot be written', () => {
    const names = [
      'traceparent',
      'tracestate',
      'b3',
      'x-b3-traceid',
      'x-b3-spanid',
      'uber-trace-id',
    ]
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (f) => {
        const context = contextIn(f)
        if (context === undefined) return
        assert.match(context.traceId, /^[0-9a-f]{32}$/)
        assert.match(context.spanId, /^[0-9a-f]{16}$/)
        assert.doesNotMatch(context.traceState, /[\r\n]/)
      }),
    )
  })
})
