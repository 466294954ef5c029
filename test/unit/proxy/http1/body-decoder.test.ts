/**
 * Bodies in every framing, cut at every place, and the chunk vectors that smuggle.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BodyDecoder, type Transfer } from '../../../../proxy/http1/body-decoder.ts'

interface Decoded {
  readonly body: string
  readonly trailers: string
  readonly done: boolean
  readonly failed: boolean
  /** What follows the body. */
  readonly rest: string
}

function decode(transfer: Transfer, length: number, pieces: readonly Buffer[]): Decoded {
  const decoder = new BodyDecoder()
  decoder.start(transfer, length)
  let body = ''
  let rest = ''
  for (const piece of pieces) {
    let at = 0
    while (at < piece.length && !decoder.isDone && !decoder.hasFailed) {
      const next = decoder.next(piece, at, piece.length)
      body += piece.toString('latin1', decoder.dataFrom, decoder.dataTo)
      assert.ok(next > at || decoder.hasFailed || decoder.isDone, 'makes progress')
      at = next
    }
    if (!decoder.hasFailed) rest += piece.toString('latin1', at)
  }
  const { trailers, isDone: done, hasFailed: failed } = decoder
  return { body, trailers, done, failed, rest }
}

/** Decodes whole, byte by byte, and cut in two everywhere: all must agree. */
function read(transfer: Transfer, length: number, text: string): Decoded {
  const bytes = Buffer.from(text, 'latin1')
  const whole = decode(transfer, length, [bytes])
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  assert.deepEqual(decode(transfer, length, single), whole)
  for (let at = 1; at < Math.min(bytes.length, 200); at++) {
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
    assert.deepEqual(decode(transfer, length, pieces), whole, `cut at ${at}`)
  }
  return whole
}

const chunked = (text: string): Decoded => read('chunked', 0, text)

describe('a body', () => {
  it('ends after its length', () => {
    const { body, done, rest } = read('length', 5, 'helloGET /')
    assert.deepEqual({ body, done, rest }, { body: 'hello', done: true, rest: 'GET /' })
    assert.equal(read('length', 5, 'hell').done, false)
  })

  it('in chunks ends after the last, with or without trailers', () => {
    const plain = chunked('5\r\nhello\r\n00000A;a=b;c="d e"\r\n0123456789\r\n0\r\n\r\nGET')
    assert.equal(plain.body, 'hello0123456789')
    assert.equal(plain.done, true)
    assert.equal(plain.rest, 'GET')
    const trailed = chunked('1\r\nx\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nX-B:2\r\n\r\nrest')
    assert.equal(trailed.trailers, 'X-Sum: 1\r\nX-B:2\r\n')
    assert.equal(trailed.rest, 'rest')
  })

  it('until close or after an upgrade is everything', () => {
    assert.equal(read('close', 0, 'a\r\nb').body, 'a\r\nb')
    assert.equal(read('raw', 0, '\0\xff').body, '\0\xff')
  })

  it('drops trailers that may not come late', () => {
    const names = [
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Authorization: x',
      'Set-Cookie: a',
      'Connection: close',
      'Content-Type: b',
      'X-Forwarded-Client-Cert: By=me',
    ]
    assert.equal(chunked(`0\r\n${names.join('\r\n')}\r\n\r\n`).trailers, '')
  })
})

describe('chunks are refused', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['without a size', '\r\nhello'],
    ['with a sign', '+5\r\nhello\r\n'],
    ['with 0x', '0x5\r\nhello\r\n'],
    ['with a bare LF after the size', '5\nhello\r\n'],
    ['with a bare CR after the size', '5\rXhello\r\n'],
    ['with a space after the size', '5 \r\nhello\r\n'],
    ['with a space before the size', ' 5\r\nhello\r\n'],
    ['with no line end after the data', '5\r\nhelloX'],
    ['with a bare CR after the data', '5\r\nhello\rX0\r\n\r\n'],
    ['with a bare LF after the data', '5\r\nhello\n0\r\n\r\n'],
    ['with an absurd size', 'fffffffffffffffff\r\n'],
    ['with a control character in an extension', '5;a=\x01\r\nhello\r\n'],
    ['with LF in an extension', '5;a\nb\r\nhello\r\n'],
    ['with a folded trailer', '0\r\nx: a\r\n b\r\n\r\n'],
    ['with a bare LF in the trailers', '0\r\nx: a\n\r\n'],
    ['with a bare LF at the end', '0\r\n\n'],
  ]
  for (const [what, text] of cases) {
    it(what, () => assert.equal(chunked(text).failed, true))
  }

  it('when extensions or trailers pass their limits', () => {
    assert.equal(decode('chunked', 0, [Buffer.from(`5;${'a'.repeat(2000)}\r\n`)]).failed, true)
    const many = `1;${'a'.repeat(900)}\r\nx\r\n`.repeat(30)
    assert.equal(decode('chunked', 0, [Buffer.from(many)]).failed, true)
    const trailers = Buffer.from(`0\r\nx: ${'a'.repeat(9000)}\r\n\r\n`)
    assert.equal(decode('chunked', 0, [trailers]).failed, true)
    const single = Array.from(trailers, (_, i) => trailers.subarray(i, i + 1))
    assert.equal(decode('chunked', 0, single).failed, true)
  })
})

it('any body survives any chunking and any cutting', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 }),
      (chunks, cuts) => {
        const parts = chunks.flatMap((chunk) => [
          Buffer.from(`${chunk.length.toString(16)}\r\n`),
          Buffer.from(chunk),
          Buffer.from('\r\n'),
        ])
        const bytes = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
        const pieces: Buffer[] = []
        let at = 0
        for (const cut of cuts) {
          if (at >= bytes.length) break
          pieces.push(bytes.subarray(at, at + cut))
          at += cut
        }
        pieces.push(bytes.subarray(at))
        const result = decode(
          'chunked',
          0,
          pieces.filter((piece) => piece.length > 0),
        )
        assert.equal(result.body, Buffer.concat(chunks).toString('latin1'))
        assert.equal(result.done, true)
        assert.equal(result.rest, '')
      },
    ),
  )
})

it('noise never throws', () => {
  const noise = fc.array(
    fc.constantFrom('5', 'a', '\r\n', '\r', '\n', ';', '0', 'x: y', ' ', '\0', 'hello'),
  )
  fc.assert(
    fc.property(noise, (parts) => void chunked(parts.join(''))),
    { numRuns: 1000 },
  )
})
