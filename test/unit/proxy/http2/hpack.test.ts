/**
 * HPACK: the examples of RFC 7541 appendix C, what must be refused, and the encoder read back.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { HEADER_FIELDS_MAX, HEADER_TABLE_BYTES } from '../../../../proxy/http2/format.ts'
import { HpackDecoder } from '../../../../proxy/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../../../proxy/http2/hpack-encoder.ts'

type Line = string

function decode(decoder: HpackDecoder, block: Buffer): Line[] | undefined {
  const lines: Line[] = []
  const isValid = decoder.decode(block, 0, block.length, {
    field: ({ name, value }) => lines.push(`${name}: ${value}`),
  })
  return isValid ? lines : undefined
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

/** A table of 256 bytes, as C.5 and C.6 have it. */
const TABLE_256 = '3fe101'
const DATE_21 = 'date: Mon, 21 Oct 2013 20:13:21 GMT'
const DATE_22 = 'date: Mon, 21 Oct 2013 20:13:22 GMT'
const PLACE = 'location: https://www.example.com'
const COOKIE = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const FIRST = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com']
const REQUESTS: readonly Line[][] = [
  FIRST,
  [...FIRST, 'cache-control: no-cache'],
  [
    ':method: GET',
    ':scheme: https',
    ':path: /index.html',
    ':authority: www.example.com',
    'custom-key: custom-value',
  ],
]
const RESPONSES: readonly Line[][] = [
  [':status: 302', 'cache-control: private', DATE_21, PLACE],
  [':status: 307', 'cache-control: private', DATE_21, PLACE],
  [':status: 200', 'cache-control: private', DATE_22, PLACE, 'content-encoding: gzip', COOKIE],
]

const SEQUENCES: readonly {
  readonly name: string
  readonly blocks: readonly string[]
  readonly lines: readonly Line[][]
}[] = [
  {
    name: 'C.3 requests without Huffman coding',
    lines: REQUESTS,
    blocks: [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
  },
  {
    name: 'C.4 requests with Huffman coding',
    lines: REQUESTS,
    blocks: [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  },
  {
    name: 'C.5 responses without Huffman coding, with eviction',
    lines: RESPONSES,
    blocks: [
      `${TABLE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
  },
  {
    name: 'C.6 responses with Huffman coding, with eviction',
    lines: RESPONSES,
    blocks: [
      `${TABLE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  },
]

describe('the decoder', () => {
  for (const { name, blocks, lines } of SEQUENCES) {
    it(`reads ${name}`, () => {
      const decoder = new HpackDecoder()
      for (const [i, block] of blocks.entries())
        assert.deepEqual(decode(decoder, hex(block)), lines[i])
    })
  }

  it('reads the single fields of C.2', () => {
    const decoder = new HpackDecoder()
    const custom = '400a637573746f6d2d6b65790d637573746f6d2d686561646572'
    assert.deepEqual(decode(decoder, hex(custom)), ['custom-key: custom-header'])
    assert.deepEqual(decode(decoder, hex('040c2f73616d706c652f70617468')), [':path: /sample/path'])
    const secret = '100870617373776f726406736563726574'
    assert.deepEqual(decode(decoder, hex(secret)), ['password: secret'])
    assert.deepEqual(decode(decoder, hex('be')), ['custom-key: custom-header'])
  })

  for (const [what, block] of [
    ['index 0', '80'],
    ['an index beyond the tables', 'ff8001'],
    ['a name beyond the tables', '7f800101610162'],
    ['an integer that never ends', 'ffffffffffffffffffff'],
    ['an integer that is cut off', 'ff'],
    ['a string that is cut off', '400a6375'],
    ['a string without its length', '40'],
    ['a table larger than was offered', '3fe2ff03'],
    ['a change of size after a field', '8220'],
    ['padding of more than seven bits', '000161821fff'],
    ['padding of zeros', '0001618118'],
    ['the end symbol', '00016184ffffffff'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.equal(decode(new HpackDecoder(), hex(block)), undefined)
    })
  }

  it('reads a bomb to its end, and gives out no more than is allowed', () => {
    const decoder = new HpackDecoder()
    const value = 'v'.repeat(4000)
    const first = Buffer.concat([hex('4001617fa11e'), Buffer.from(value)])
    assert.deepEqual(decode(decoder, first), [`a: ${value}`])
    const bomb = Buffer.alloc(16_000, 0xbe)
    const lines = decode(decoder, bomb)
    assert.equal(decoder.isTooLarge, true)
    assert.ok(lines !== undefined && lines.length * value.length <= 60 * 1024)
    assert.deepEqual(decode(decoder, hex('be')), [`a: ${value}`])
    assert.equal(decoder.isTooLarge, false)
  })

  it('counts fields too', () => {
    const decoder = new HpackDecoder()
    assert.equal(decode(decoder, Buffer.alloc(1000, 0x82))?.length, HEADER_FIELDS_MAX)
    assert.equal(decoder.isTooLarge, true)
  })

  it('never throws, and never gives out more than its bounds', () => {
    const decoder = new HpackDecoder()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const lines = decode(decoder, Buffer.from(bytes))
        assert.ok(lines === undefined || lines.length <= HEADER_FIELDS_MAX)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the encoder', () => {
  const name = fc.constantFrom(
    'accept',
    'x-request-id',
    'cookie',
    'content-type',
    'x-a',
    'x-b',
    ':path',
    ':method',
  )
  const value = fc.oneof(
    fc.constantFrom('', 'GET', '/', 'a', 'b', 'gzip, deflate', 'x'.repeat(1100)),
    fc.string({ unit: 'binary-ascii', maxLength: 140 }),
  )
  const heads = fc.array(fc.array(fc.tuple(name, value), { maxLength: 12 }), { maxLength: 20 })

  it('is read back as it was meant, whatever the tables hold', () => {
    fc.assert(
      fc.property(heads, fc.array(fc.integer({ min: 0, max: 6000 })), (all, sizes) => {
        const encoder = new HpackEncoder()
        const decoder = new HpackDecoder()
        for (const [i, head] of all.entries()) {
          if (i % 3 === 2) for (const size of sizes) encoder.resize(size)
          const text = encoder.begin() + head.map(([n, v]) => encoder.field(n, v)).join('')
          const lines = decode(decoder, Buffer.from(text, 'latin1'))
          assert.deepEqual(
            lines,
            head.map(([n, v]) => `${n}: ${v}`),
          )
        }
      }),
    )
  })

  it('sends a field that comes again as one byte, and a secret never', () => {
    const encoder = new HpackEncoder()
    const sizes = [1, 2, 3].map(() => encoder.field('content-type', 'application/grpc').length)
    assert.deepEqual(sizes, [19, 18, 1])
    for (let i = 0; i < 3; i++) assert.equal(encoder.field('cookie', 'a').charCodeAt(0), 0x1f)
  })

  it('keeps within the table that the peer allows', () => {
    const encoder = new HpackEncoder()
    encoder.resize(0)
    assert.equal(encoder.begin(), '\x20')
    assert.equal(encoder.begin(), '')
    for (let i = 0; i < 3; i++) assert.ok(encoder.field('x-a', 'b').length > 1)
    encoder.resize(HEADER_TABLE_BYTES * 2)
    assert.equal(Buffer.from(encoder.begin(), 'latin1').toString('hex'), '3fe11f')
  })
})
