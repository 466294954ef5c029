/**
 * The compact form of a plain KV write: equal to what was encoded, strict, and only for what it can say.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeCommand, encodeCommand } from '../../../../core/catalog/codec.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { COMPACT_KV } from '../../../../core/catalog/compact-kv.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { wallTime } from '../../../../core/time.ts'

function set(key: string, value: Uint8Array, flags = 0n, session = '', now = 5): Command {
  return {
    kind: 'kv',
    op: { verb: 'set', entry: { key, value, flags, session } },
    now: wallTime(now),
  }
}

function isCompact(command: Command): boolean {
  return encodeCommand(command)[1] === COMPACT_KV
}

describe('a plain KV write', () => {
  it('decodes to what was encoded, whatever the key, value, flags and time', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.uint8Array({ maxLength: 2_000 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        (key, value, flags, now) => {
          const command = set(key, value, flags, '', now)
          assert.equal(isCompact(command), true)
          assert.deepEqual(decodeCommand(encodeCommand(command)), command)
        },
      ),
    )
  })

  it('shares nothing with the bytes it was decoded from', () => {
    const bytes = encodeCommand(set('k', Uint8Array.of(1, 2, 3)))
    const decoded = decodeCommand(bytes)
    bytes.fill(0)
    assert.deepEqual(decoded, set('k', Uint8Array.of(1, 2, 3)))
  })

  it('takes the long form for what the short one cannot say', () => {
    const value = Uint8Array.of(1)
    for (const command of [
      set('k', value, 0n, 'a session'),
      set('lone \ud800 surrogate', value),
      { kind: 'kv', op: { verb: 'delete', key: 'k' }, now: wallTime(5) } satisfies Command,
    ]) {
      assert.equal(isCompact(command), false)
      assert.deepEqual(decodeCommand(encodeCommand(command)), command)
    }
  })

  it('is refused when it is cut, too long for its key, not UTF-8, or of no possible time', () => {
    const whole = encodeCommand(set('key', Uint8Array.of()))
    for (let size = 1; size < whole.length; size++) refused(whole.slice(0, size))
    refused(changed(whole, 21, 200))
    refused(changed(whole, 22, 0xff))
    refused(changed(whole, 10, 0xff))
  })
})

function changed(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = byte
  return copy
}

function refused(bytes: Uint8Array): void {
  assert.throws(
    () => decodeCommand(bytes),
    (thrown) => thrown instanceof FairleadError && thrown.code === 'BAD_REQUEST',
  )
}
