/**
 * Commands and tagged JSON as bytes: reversal, strictness, damage (codec.ts, json-codec.ts, base64.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromBase64, toBase64 } from '../../../../core/catalog/base64.ts'
import { CanonicalJson, canonicalJsonText } from '../../../../core/catalog/canonical-json.ts'
import {
  COMMAND_SIZE_MAX,
  COMMAND_VERSION,
  decodeCommand,
  decodeLogged,
  encodeCommand,
} from '../../../../core/catalog/codec.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import {
  decodeJson,
  decodeJsonText,
  encodeJson,
  JSON_DEPTH_MAX,
} from '../../../../core/catalog/json-codec.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { wallTime } from '../../../../core/time.ts'
import { queryTemplate } from '../queries/query-fixture.ts'
import {
  AUTOPILOT,
  check,
  Driver,
  imageText,
  kvWrite,
  registration,
  service,
  session,
  sidecar,
} from './store-fixture.ts'

const now = wallTime(1)

const COMMANDS: readonly Command[] = [
  {
    kind: 'register',
    request: registration('n1', {
      service: sidecar('web'),
      checks: [check('c', 'passing', { definition: { HTTP: 'http://x', Header: { a: ['b'] } } })],
      locality: { region: 'r', zone: 'z' },
    }),
    now,
  },
  { kind: 'register', request: registration('n1', { service: service({ service: 'web' }) }) },
  { kind: 'deregister', request: { node: 'n1', checkId: 'c' }, now },
  {
    kind: 'kv',
    op: { verb: 'cas', entry: kvWrite('k', 'v', { flags: 2n ** 64n - 1n }), index: 3 },
    now,
  },
  { kind: 'kv', op: { verb: 'delete-tree', key: '' }, now },
  {
    kind: 'txn',
    ops: [
      { type: 'kv', op: { verb: 'check-session', key: 'k', session: 's' } },
      { type: 'service', verb: 'cas', node: 'n', service: service({ service: 'x' }), index: 1 },
      { type: 'check', verb: 'get', node: 'n', check: check('c', 'passing'), index: 0 },
    ],
    now,
  },
  {
    kind: 'session.create',
    session: session('s1', 'n1', { serviceChecks: [{ id: 'c', namespace: '' }] }),
  },
  { kind: 'session.destroy', id: 's1', now },
  { kind: 'tombstone.reap', index: 5 },
  { kind: 'intention.delete', by: { sourceName: 'a', destinationName: 'b' } },
  { kind: 'intention.delete', by: { id: 'x' } },
  { kind: 'intention.replace', destinationName: 'b', intentions: [], cas: 3, now },
  {
    kind: 'config.set',
    entryKind: 'mesh',
    name: 'mesh',
    body: { a: [1, null, { $bytes: 'x' }] },
    cas: 0,
  },
  { kind: 'config.delete', entryKind: 'mesh', name: 'mesh' },
  { kind: 'ca.config.set', config: { clusterId: 'c', provider: 'consul', config: {} } },
  { kind: 'ca.serial.take', count: 2 },
  { kind: 'autopilot.config.set', config: AUTOPILOT, cas: 0 },
  {
    kind: 'coordinate.batch',
    updates: [
      {
        node: 'n1',
        segment: '',
        coordinate: { vec: [0.5, -0.25], error: 1.5, adjustment: -1e-9, height: 1e-5 },
      },
    ],
  },
  {
    kind: 'query.set',
    mode: 'create',
    query: { ...queryTemplate('t-', { nodeMeta: { a: 'b' }, tags: ['!x'] }), id: 'q1' },
  },
  { kind: 'query.delete', id: 'q1' },
  { kind: 'restore.begin', id: 'r', now },
  { kind: 'restore.piece', id: 'r', offset: 0, bytes: Uint8Array.of(102), now },
  { kind: 'restore.end', id: 'r', sizeBytes: 1, digest: '00', now },
  { kind: 'restore.abort', id: 'r' },
  { kind: 'noop' },
]

function isDocumented(thrown: unknown): boolean {
  return (
    thrown instanceof FairleadError &&
    (thrown.code === 'BAD_REQUEST' || thrown.code === 'NOT_SUPPORTED')
  )
}

function bytesOf(value: unknown): Uint8Array {
  const body = Buffer.from(JSON.stringify(value))
  return Uint8Array.from([COMMAND_VERSION, ...body])
}

/** The same with bytes and big integers, whatever the shape. */
function jsonOf(value: unknown): Uint8Array {
  return Uint8Array.from([COMMAND_VERSION, ...encodeJson(value)])
}

/** Any value the codec carries, with keys that look like tags among the keys. */
const data = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom('$bytes', '$bigint', '$plain', '$', '__proto__', 'constructor'),
        fc.string({ maxLength: 4 }),
      ),
      tie('value'),
      { maxKeys: 3 },
    ),
  ),
})).value

describe('base64', () => {
  it('agrees with the platform and reverses', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = toBase64(bytes)
        assert.equal(text, Buffer.from(bytes).toString('base64'))
        assert.deepEqual(fromBase64(text), bytes)
      }),
    )
  })

  it('refuses everything that is not strict', () => {
    for (const bad of [
      'A',
      'AA',
      'AAA',
      'AA=A',
      '====',
      'A===',
      'AB==',
      'AAB=',
      'AA=',
      'é===',
      'AA A',
    ]) {
      assert.equal(fromBase64(bad), undefined, bad)
    }
  })
})

/** Of what `normal` gives: every list, and so the keys of every object, in one order. */
function unordered(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return value.map(unordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** The same value with the keys of every object in another order. */
function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, backwards(item)]),
  )
}

describe('tagged JSON', () => {
  it('gives back what it was given, users that write tags included', () => {
    fc.assert(
      fc.property(data, (value) => {
        assert.deepEqual(normal(decodeJson(encodeJson(value))), normal(value))
      }),
      { numRuns: 1000 },
    )
  })

  it('writes equal values as equal canonical text', () => {
    assert.equal(
      canonicalJsonText({ b: [{ d: 1n, c: 2 }], a: undefined }),
      canonicalJsonText({ b: [{ c: 2, d: 1n }] }),
    )
    assert.equal(canonicalJsonText({ b: 1, a: 2 }), '{"a":2,"b":1}')
  })

  it('gives back canonical text, whatever was written before and in whatever order keys came', () => {
    const json = new CanonicalJson()
    fc.assert(
      fc.property(data, (value) => {
        const text = json.text(value)
        const again = encodeJson(decodeJsonText(text))
        assert.deepEqual(unordered(normal(decodeJson(again))), unordered(normal(value)))
        assert.equal(text, canonicalJsonText(backwards(value)))
      }),
      { numRuns: 1000 },
    )
  })

  it('orders keys that are numbers as numbers, in front of all others', () => {
    const text = '{"9":1,"10":2,"":3,"-1":4,"b":5}'
    assert.equal(canonicalJsonText({ b: 5, '': 3, '-1': 4, 10: 2, 9: 1 }), text)
  })

  it('refuses what is no data and what is too deep', () => {
    let deep: unknown = 1
    for (let i = 0; i <= JSON_DEPTH_MAX; i++) deep = [deep]
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, () => 1, Symbol('x'), deep]) {
      assert.throws(() => encodeJson(bad), isDocumented)
      assert.throws(() => canonicalJsonText(bad), isDocumented)
    }
  })

  it('refuses foreign bytes with a documented error', () => {
    const bad = ['', '{', '{"$bytes":"A"}', '{"$bytes":1}', '{"$bigint":"01"}', '{"$bigint":"-0"}']
    const more = [
      '{"$plain":1}',
      '{"$plain":[]}',
      '{"$other":1}',
      '['.repeat(5000) + ']'.repeat(5000),
    ]
    for (const text of [...bad, ...more]) {
      assert.throws(() => decodeJson(Buffer.from(text)), isDocumented, text.slice(0, 40))
    }
    assert.throws(() => decodeJson(Uint8Array.of(0xff, 0xfe)), isDocumented)
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => throwsOnlyDocumented(() => decodeJson(bytes))),
    )
  })
})

describe('commands as bytes', () => {
  for (const [i, command] of COMMANDS.entries()) {
    it(`reverses ${command.kind} (${i})`, () => {
      assert.deepEqual(decodeCommand(encodeCommand(command)), command)
    })
  }

  it('tells a future version and kind from damage', () => {
    const code = (bytes: Uint8Array): unknown => {
      try {
        return decodeCommand(bytes).kind
      } catch (thrown) {
        return thrown instanceof FairleadError ? thrown.code : thrown
      }
    }
    assert.equal(code(Uint8Array.of(3, 123, 125)), 'NOT_SUPPORTED')
    assert.equal(code(bytesOf({ kind: 'later' })), 'NOT_SUPPORTED')
    assert.equal(code(bytesOf({ kind: 'constructor' })), 'NOT_SUPPORTED')
    assert.equal(code(bytesOf({ kind: 5 })), 'BAD_REQUEST')
    assert.equal(code(bytesOf({})), 'BAD_REQUEST')
    assert.equal(code(bytesOf(null)), 'BAD_REQUEST')
    assert.equal(code(new Uint8Array(0)), 'BAD_REQUEST')
    assert.equal(code(bytesOf({ kind: 'noop' })), 'noop')
  })

  it('carries the name of a request', () => {
    const name = fc.string({ minLength: 1, maxLength: 16, unit: 'grapheme' }).filter(fitsName)
    const seqs = fc.oneof(fc.integer({ min: 1 }), fc.maxSafeInteger().map(atLeastOne))
    fc.assert(
      fc.property(name, name, seqs, (origin, boot, seq) => {
        const requestId = { origin, boot, seq }
        const bytes = encodeCommand({ kind: 'noop' }, requestId)
        assert.deepEqual(decodeLogged(bytes), { command: { kind: 'noop' }, requestId })
        for (let size = 0; size < bytes.length; size++) {
          assert.throws(() => decodeLogged(bytes.subarray(0, size)), { code: 'BAD_REQUEST' })
        }
      }),
    )
    assert.equal(decodeLogged(encodeCommand({ kind: 'noop' })).requestId, undefined)
  })

  it('refuses a name of a request that is none', () => {
    const good = { origin: 'a', boot: 'b', seq: 1 }
    const bad = [{ origin: '' }, { boot: '' }, { origin: 'x'.repeat(65) }, { seq: 0 }, { seq: 1.5 }]
    for (const part of bad) {
      assert.throws(() => encodeCommand({ kind: 'noop' }, { ...good, ...part }), {
        code: 'BAD_REQUEST',
      })
    }
    const bytes = encodeCommand({ kind: 'noop' }, good)
    const edits: readonly (readonly [at: number, byte: number])[] = [
      [1, 0],
      [1, 255],
      [2, 0xff],
      [3, 0],
      [5, 0xff],
      [12, 0],
    ]
    for (const [at, byte] of edits) {
      const damaged = bytes.slice()
      damaged[at] = byte
      assert.throws(() => decodeLogged(damaged), { code: 'BAD_REQUEST' }, `byte ${at}`)
    }
  })

  it('refuses what is larger than a log entry may be', () => {
    const body = { a: 'x'.repeat(COMMAND_SIZE_MAX) }
    const command: Command = { kind: 'config.set', entryKind: 'k', name: 'n', body }
    assert.throws(() => encodeCommand(command), { code: 'TOO_LARGE' })
    const bytes = new Uint8Array(COMMAND_SIZE_MAX + 1)
    assert.throws(() => decodeCommand(bytes), { code: 'TOO_LARGE' })
  })

  it('keeps bytes and big integers out of what must be JSON', () => {
    const body = { kind: 'config.set', entryKind: 'k', name: 'n', body: { a: { $bigint: '1' } } }
    assert.throws(() => decodeCommand(bytesOf(body)), {
      message: 'Cannot decode command: config.set.body.a: expected JSON',
    })
  })

  it('names the field that does not fit', () => {
    const request = { ...registration('n1'), checks: [{ ...check('c', 'passing'), status: 'odd' }] }
    assert.throws(() => decodeCommand(bytesOf({ kind: 'register', request })), {
      message:
        'Cannot decode command: register.request.checks[0].status: expected one of "passing", "warning", "critical"',
    })
    assert.throws(() => decodeCommand(bytesOf({ kind: 'session.destroy', id: 's', now: 1.5 })), {
      message: 'Cannot decode command: session.destroy.now: expected an integer of at least 0',
    })
  })

  it('encodes nothing that could not be decoded', () => {
    const made = session('s1', 'n1', { lockDelayMs: 0.001 })
    assert.throws(() => encodeCommand({ kind: 'session.create', session: made }), {
      code: 'BAD_REQUEST',
      message:
        'Cannot encode command: session.create.session.lockDelayMs: expected an integer of at least 0',
    })
  })

  it('never half decodes damaged bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...COMMANDS),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (command, edits, cut) => {
          const bytes = encodeCommand(command)
          for (const [at, byte] of edits) bytes[at % bytes.length] = byte
          const damaged = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
          throwsOnlyDocumented(() => decodeCommand(damaged))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('lets nothing through that apply could not take', () => {
    const other = fc.constantFrom(null, 1.5, -1, 0, '', 'x', [], {}, [1], { a: 1 }, true)
    fc.assert(
      fc.property(fc.constantFrom(...COMMANDS), fc.nat(), other, (command, pick, value) => {
        const paths = leaves(command)
        const path = paths[pick % paths.length]
        if (path === undefined) return
        const changed = replaced(command, path, value) as Command
        throwsOnlyDocumented(() => {
          const decoded = decodeCommand(jsonOf(changed))
          assert.deepEqual(decodeCommand(encodeCommand(changed)), decoded)
          const driver = new Driver()
          for (const earlier of COMMANDS) driver.apply(earlier)
          driver.apply(decoded)
          const restored = new StateStore({ datacenter: 'dc1' })
          restored.restore(driver.store.snapshot().image())
          assert.equal(imageText(restored), driver.image())
        })
      }),
      { numRuns: 400 },
    )
  })
})

function fitsName(text: string): boolean {
  return Buffer.byteLength(text) <= 64 && Buffer.from(text).toString() === text
}

function atLeastOne(seq: number): number {
  return Math.max(1, Math.abs(seq))
}

function throwsOnlyDocumented(act: () => unknown): void {
  try {
    act()
  } catch (thrown) {
    if (!isDocumented(thrown)) throw thrown
  }
}

/** Own enumerable data without prototypes, so that deepEqual compares content only. */
function normal(value: unknown): unknown {
  if (typeof value === 'bigint') return `bigint ${value}`
  if (value instanceof Uint8Array) return `bytes ${[...value].join()}`
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value
  return Object.entries(value).map(([key, item]) => [key, normal(item)])
}

function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [path]
  return [path, ...Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]))]
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [head, ...rest] = path
  if (head === undefined) return by
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  const record = copy as Record<string, unknown>
  record[head] = replaced(record[head], rest, by)
  return copy
}
