/**
 * Request heads: what is accepted, what is refused with which status, and what is forwarded. Every case is also
 * read cut at each byte, which must change nothing.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  BAD_SYNTAX,
  BAD_VERSION,
  HEAD_TOO_LARGE,
  HeadParser,
  LINE_TOO_LONG,
  NEED_MORE,
} from '../../../../proxy/http1/head-parser.ts'
import { HeadReader } from '../../../../proxy/http1/head-reader.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  RequestHead,
} from '../../../../proxy/http1/message.ts'
import { interpretRequest } from '../../../../proxy/http1/request-head.ts'

/** Reads `text` in the given pieces. @returns the head, a status, or a negative result of the parser */
function readPieces(pieces: readonly Buffer[], normalise = false): RequestHead | number {
  const reader = new HeadReader('request')
  for (const piece of pieces) {
    // Each piece comes in the middle of a larger buffer, as on a real connection.
    const bytes = Buffer.concat([Buffer.from('##'), piece, Buffer.from('##')])
    const end = reader.read(bytes, 2, 2 + piece.length)
    if (end === NEED_MORE) continue
    if (end < 0) return end
    return interpretRequest(reader.parser, reader.bytes, reader.base, normalise)
  }
  return NEED_MORE
}

function bytewise(text: Buffer): Buffer[] {
  return Array.from({ length: text.length }, (_, i) => text.subarray(i, i + 1))
}

/** Reads `text` whole, byte by byte and cut in two at every place; all must agree. */
function read(text: string, normalise = false): RequestHead | number {
  const bytes = Buffer.from(text, 'latin1')
  const whole = readPieces([bytes], normalise)
  assert.deepEqual(readPieces(bytewise(bytes), normalise), whole)
  for (let at = 1; at < Math.min(bytes.length, 300); at++) {
    const cut = readPieces([bytes.subarray(0, at), bytes.subarray(at)], normalise)
    assert.deepEqual(cut, whole, `cut at ${at}`)
  }
  return whole
}

function accepted(text: string, normalise = false): RequestHead {
  const head = read(text, normalise)
  assert.ok(head instanceof RequestHead, `refused with ${String(head)}: ${JSON.stringify(text)}`)
  return head
}

const H = 'Host: a\r\n'

describe('a request head', () => {
  it('is forwarded as it came when nothing of it belongs to the hop', () => {
    const text =
      'GET /a/b?c=%2e%2e HTTP/1.1\r\nhOsT: example.com:8080\r\nX-Odd:  \t spaced \t\r\nEmpty:\r\n'
    const head = accepted(`${text}\r\n`)
    assert.equal(head.text, text)
    assert.equal(head.body, BODY_NONE)
    assert.equal(head.isIdempotent, true)
    assert.equal(head.keepAlive, true)
  })

  it('loses the fields of the hop and those that Connection names', () => {
    const head = accepted(
      `GET / HTTP/1.1\r\nConnection: keep-alive, X-Secret\r\n${H}Keep-Alive: timeout=5\r\nX-Secret: 1\r\n` +
        'Proxy-Connection: x\r\nTE: gzip\r\nTrailer: y\r\nProxy-Authorization: z\r\nUpgrade: h2c\r\n' +
        'HTTP2-Settings: q\r\nx-last: 1\r\n\r\n',
    )
    assert.equal(head.text, `GET / HTTP/1.1\r\n${H}x-last: 1\r\n`)
  })

  it('keeps asking for trailers', () => {
    const head = accepted(`GET / HTTP/1.1\r\n${H}TE: trailers, deflate\r\nConnection: TE\r\n\r\n`)
    assert.equal(head.text, `GET / HTTP/1.1\r\n${H}te: trailers\r\nconnection: te\r\n`)
  })

  it('is delimited by its length or by chunks', () => {
    const counted = accepted(`POST / HTTP/1.1\r\n${H}Content-Length: 12\r\n\r\n`)
    assert.equal(counted.body, BODY_LENGTH)
    assert.equal(counted.length, 12)
    assert.match(counted.text, /Content-Length: 12\r\n$/)
    const empty = accepted(`POST / HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`)
    assert.equal(empty.body, BODY_NONE)
    const chunked = accepted(`POST / HTTP/1.1\r\n${H}Transfer-Encoding: CHUNKED\r\n\r\n`)
    assert.equal(chunked.body, BODY_STREAM)
    assert.doesNotMatch(chunked.text, /transfer/i)
  })

  it('is recognised by its method, in its exact case', () => {
    const kinds: Record<string, [boolean, boolean]> = {
      GET: [true, false],
      HEAD: [true, true],
      PUT: [true, false],
      DELETE: [true, false],
      OPTIONS: [true, false],
      TRACE: [true, false],
      POST: [false, false],
      PATCH: [false, false],
      get: [false, false],
      'M-SEARCH': [false, false],
    }
    for (const [method, [isIdempotent, isHead]] of Object.entries(kinds)) {
      const head = accepted(`${method} / HTTP/1.1\r\n${H}\r\n`)
      assert.equal(head.isIdempotent, isIdempotent, method)
      assert.equal(head.isHead, isHead, method)
    }
  })

  it('asks for an upgrade to WebSocket only when both fields say so', () => {
    const both = `${H}Connection: Upgrade\r\nUpgrade: WebSocket\r\n`
    const head = accepted(`GET / HTTP/1.1\r\n${both}\r\n`)
    assert.equal(head.upgrade, true)
    assert.match(head.text, /Upgrade: WebSocket\r\nconnection: upgrade\r\n$/)
    assert.equal(accepted(`GET / HTTP/1.1\r\n${H}Upgrade: websocket\r\n\r\n`).upgrade, false)
    assert.equal(accepted(`GET / HTTP/1.0\r\n${both}\r\n`).upgrade, false)
    const h2c = accepted(`GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`)
    assert.equal(h2c.upgrade, false)
    assert.doesNotMatch(h2c.text, /upgrade/i)
  })

  it('says whether the connection lives on, by version', () => {
    const keeps = (version: string, connection: string): boolean =>
      accepted(`GET / HTTP/${version}\r\n${H}${connection}\r\n`).keepAlive
    assert.equal(keeps('1.1', ''), true)
    assert.equal(keeps('1.1', 'Connection: close\r\n'), false)
    assert.equal(keeps('1.0', ''), false)
    assert.equal(keeps('1.0', 'Connection: Keep-Alive\r\n'), true)
    assert.equal(keeps('1.0', 'Connection: keep-alive\r\nConnection: close\r\n'), false)
  })

  it('with an absolute target is sent on in origin form with its own host', () => {
    const head = accepted(`GET http://real.example:81/x?y HTTP/1.1\r\n${H}\r\n`)
    assert.equal(head.text, 'GET /x?y HTTP/1.1\r\nhost: real.example:81\r\n')
    assert.match(accepted(`OPTIONS http://a HTTP/1.1\r\n${H}\r\n`).text, /^OPTIONS \* /)
    assert.match(accepted(`GET http://a?q HTTP/1.1\r\n${H}\r\n`).text, /^GET \/\?q /)
    assert.match(accepted(`OPTIONS * HTTP/1.1\r\n${H}\r\n`).text, /^OPTIONS \* /)
  })

  it('skips an empty line or two before it', () => {
    assert.equal(accepted(`\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`).text, `GET / HTTP/1.1\r\n${H}`)
    assert.equal(read(`\r\n\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`), BAD_SYNTAX)
  })

  it('hands out the client certificate field instead of forwarding it', () => {
    const head = accepted(
      `GET / HTTP/1.1\r\nX-Forwarded-Client-Cert: a\r\n${H}x-forwarded-client-cert: b\r\n\r\n`,
    )
    assert.equal(head.clientCert, 'a,b')
    assert.equal(head.text, `GET / HTTP/1.1\r\n${H}`)
  })

  it('has its path normalised where rules look at it', () => {
    const normalised = (target: string): string | number => {
      const head = read(`GET ${target} HTTP/1.1\r\n${H}\r\n`, true)
      return head instanceof RequestHead ? (head.text.split(' ')[1] ?? '') : head
    }
    assert.equal(normalised('/public/../admin'), '/admin')
    assert.equal(normalised('/public/%2e%2e/admin?x=/../y'), '/admin?x=/../y')
    assert.equal(normalised('/a\\..\\admin'), '/admin')
    assert.equal(normalised('/%61dmin/./x/.'), '/admin/x/')
    assert.equal(normalised('/a//b'), '/a//b')
    assert.equal(normalised('/a%2fb%5c'), '/a%2Fb%5C')
    assert.equal(normalised('/a/..'), '/')
    assert.equal(normalised('/...'), '/...')
    assert.equal(normalised('/../admin'), 400)
    assert.equal(normalised('/%2e%2e/admin'), 400)
    assert.equal(normalised('/a%zz'), 400)
    assert.equal(normalised('/a%2'), 400)
    assert.equal(normalised('http://a/x/../admin'), '/admin')
  })
})

describe('a request is refused', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['without Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['without Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 400],
    ['with two Hosts', `GET / HTTP/1.1\r\n${H}${H}\r\n`, 400],
    ['with an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['with a path in Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['with a user in Host', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
    ['with two names in Host', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
    [
      'with length and coding',
      `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    [
      'with two equal lengths',
      `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`,
      400,
    ],
    ['with two lengths in one', `POST / HTTP/1.1\r\n${H}Content-Length: 1, 1\r\n\r\n`, 400],
    ['with a signed length', `POST / HTTP/1.1\r\n${H}Content-Length: +1\r\n\r\n`, 400],
    ['with a hexadecimal length', `POST / HTTP/1.1\r\n${H}Content-Length: 0x1\r\n\r\n`, 400],
    ['with an empty length', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`, 400],
    ['with a huge length', `POST / HTTP/1.1\r\n${H}Content-Length: 9999999999999999\r\n\r\n`, 400],
    [
      'with an unknown coding',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n`,
      501,
    ],
    [
      'with chunked not last',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, gzip\r\n\r\n`,
      400,
    ],
    [
      'with chunked twice',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    ['with an odd coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n`, 400],
    ['with a quoted coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: "chunked"\r\n\r\n`, 400],
    ['with identity coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n\r\n`, 400],
    ['with chunks in HTTP/1.0', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n`, 400],
    ['with Connection naming Host', `GET / HTTP/1.1\r\n${H}Connection: host\r\n\r\n`, 400],
    [
      'with Connection naming the length',
      `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nConnection: content-length\r\n\r\n`,
      400,
    ],
    ['with a malformed Connection', `GET / HTTP/1.1\r\n${H}Connection: a b\r\n\r\n`, 400],
    ['with another expectation', `GET / HTTP/1.1\r\n${H}Expect: wonders\r\n\r\n`, 417],
    ['with CONNECT', `CONNECT a:1 HTTP/1.1\r\n${H}\r\n`, 501],
    ['with a relative target', `GET a HTTP/1.1\r\n${H}\r\n`, 400],
    ['with an asterisk and GET', `GET * HTTP/1.1\r\n${H}\r\n`, 400],
    ['with a user in the target', `GET http://u@a/ HTTP/1.1\r\n${H}\r\n`, 400],
    ['with another scheme', `GET ftp://a/ HTTP/1.1\r\n${H}\r\n`, 400],
    ['with a fragment', `GET /a#b HTTP/1.1\r\n${H}\r\n`, BAD_SYNTAX],
    ['with raw UTF-8 in the target', `GET /\u00c3\u00a9 HTTP/1.1\r\n${H}\r\n`, BAD_SYNTAX],
    ['with two spaces', `GET  / HTTP/1.1\r\n${H}\r\n`, BAD_SYNTAX],
    ['with a tab for a space', `GET\t/ HTTP/1.1\r\n${H}\r\n`, BAD_SYNTAX],
    ['with a space before the version ends', `GET / HTTP/1.1 \r\n${H}\r\n`, BAD_SYNTAX],
    ['with HTTP/2.0', `GET / HTTP/2.0\r\n${H}\r\n`, BAD_VERSION],
    ['with HTTP/1.2', `GET / HTTP/1.2\r\n${H}\r\n`, BAD_VERSION],
    ['with a lower-case version', `GET / http/1.1\r\n${H}\r\n`, BAD_SYNTAX],
    ['with HTTP/1.10', `GET / HTTP/1.10\r\n${H}\r\n`, BAD_SYNTAX],
    ['with bare LF after the line', `GET / HTTP/1.1\n${H}\r\n`, BAD_SYNTAX],
    ['with bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\n\r\n', BAD_SYNTAX],
    ['with bare CR in a value', `GET / HTTP/1.1\r\n${H}x: a\rb\r\n\r\n`, BAD_SYNTAX],
    ['with bare CR at the end', `GET / HTTP/1.1\r\n${H}\rX`, BAD_SYNTAX],
    ['with NUL in a value', `GET / HTTP/1.1\r\n${H}x: a\0b\r\n\r\n`, BAD_SYNTAX],
    ['with DEL in a value', `GET / HTTP/1.1\r\n${H}x: a\x7fb\r\n\r\n`, BAD_SYNTAX],
    ['with a folded line', `GET / HTTP/1.1\r\n${H}x: a\r\n b\r\n\r\n`, BAD_SYNTAX],
    ['with white space before the first field', `GET / HTTP/1.1\r\n ${H}\r\n`, BAD_SYNTAX],
    ['with a space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', BAD_SYNTAX],
    ['with an empty field name', `GET / HTTP/1.1\r\n${H}: a\r\n\r\n`, BAD_SYNTAX],
    ['with a field without a colon', `GET / HTTP/1.1\r\n${H}abc\r\n\r\n`, BAD_SYNTAX],
    ['with an odd field name', `GET / HTTP/1.1\r\n${H}a(b): c\r\n\r\n`, BAD_SYNTAX],
    ['with a TLS hello', '\x16\x03\x01\x02\x00', BAD_SYNTAX],
  ]
  for (const [what, text, result] of cases) {
    it(what, () => assert.equal(read(text), result))
  }

  it('when its head, its line or its number of fields pass their limits', () => {
    const many = `GET / HTTP/1.1\r\n${H}${'a: b\r\n'.repeat(100)}\r\n`
    assert.equal(read(many), HEAD_TOO_LARGE)
    assert.ok(read(`GET / HTTP/1.1\r\n${H}${'a: b\r\n'.repeat(99)}\r\n`) instanceof RequestHead)
    const fits = `GET / HTTP/1.1\r\n${H}x: ${'y'.repeat(60_000)}\r\n\r\n`
    assert.ok(readPieces([Buffer.from(fits)]) instanceof RequestHead)
    const large = Buffer.from(`GET / HTTP/1.1\r\n${H}x: ${'y'.repeat(62_000)}\r\n\r\n`)
    assert.equal(readPieces([large]), HEAD_TOO_LARGE)
    assert.equal(readPieces(bytewise(large)), HEAD_TOO_LARGE)
    const long = Buffer.from(`GET /${'y'.repeat(17_000)} HTTP/1.1\r\n${H}\r\n`)
    assert.equal(readPieces([long]), LINE_TOO_LONG)
    assert.equal(readPieces(bytewise(long)), LINE_TOO_LONG)
    assert.equal(readPieces([Buffer.alloc(20_000, 'G')]), LINE_TOO_LONG)
  })
})

describe('any bytes at all', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .array(
        fc.constantFrom(
          'GET',
          ' ',
          '/',
          'HTTP/1.1',
          '\r\n',
          '\r',
          '\n',
          'Host: a',
          'Content-Length: 3',
          ':',
          'Transfer-Encoding: chunked',
          'Connection: close',
          '\t',
          '\0',
          'x',
          ',',
          '%',
          '..',
          '\\',
        ),
        { maxLength: 30 },
      )
      .map((parts) => Uint8Array.from(Buffer.from(parts.join(''), 'latin1'))),
  )

  it('never throw, and mean the same however they are cut', () => {
    fc.assert(
      fc.property(
        noise,
        fc.array(fc.nat(60), { maxLength: 12 }),
        fc.boolean(),
        (bytes, cuts, n) => {
          const buffer = Buffer.from(bytes)
          const whole = readPieces([buffer], n)
          const pieces: Buffer[] = []
          let at = 0
          for (const cut of cuts) {
            pieces.push(buffer.subarray(at, Math.min(buffer.length, at + cut)))
            at = Math.min(buffer.length, at + cut)
          }
          pieces.push(buffer.subarray(at))
          assert.deepEqual(
            readPieces(
              pieces.filter((piece) => piece.length > 0),
              n,
            ),
            whole,
          )
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('that are accepted once are accepted again, unchanged, as their canonical text', () => {
    const field = fc.tuple(
      fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/),
      fc.stringMatching(/^[ -~]{0,20}$/),
    )
    fc.assert(
      fc.property(
        fc.stringMatching(/^\/[!-~]{0,20}$/).filter((target) => !target.includes('#')),
        fc.array(field, { maxLength: 8 }),
        (target, fields) => {
          const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
          const first = readPieces(
            [Buffer.from(`GET ${target} HTTP/1.1\r\n${H}${lines}\r\n`)],
            true,
          )
          if (!(first instanceof RequestHead)) return
          const again = readPieces([Buffer.from(`${first.text}\r\n`, 'latin1')], true)
          assert.ok(again instanceof RequestHead, `refused ${JSON.stringify(first.text)}`)
          if (first.body === BODY_NONE && !first.upgrade) assert.equal(again.text, first.text)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

it('a parser is fresh between heads', () => {
  const parser = new HeadParser('request')
  const bytes = Buffer.from(`GET / HTTP/1.1\r\n${H}\r\nGET`)
  assert.equal(parser.isFresh, true)
  assert.equal(parser.parse(bytes, 0, bytes.length), bytes.length - 3)
  parser.reset()
  assert.equal(parser.isFresh, true)
  assert.equal(parser.parse(bytes, bytes.length - 3, bytes.length), NEED_MORE)
  assert.equal(parser.isFresh, false)
})
