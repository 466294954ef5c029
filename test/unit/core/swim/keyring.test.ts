/**
 * Keys, the rules of a keyring, the bytes that speak of them, and what a pool's answers allow.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { GossipKey } from '../../../../core/swim/gossip-key.ts'
import { KEYS_MAX, Keyring } from '../../../../core/swim/keyring.ts'
import {
  decodeKeyringAnswer,
  decodeKeyringRequest,
  encodeKeyringAnswer,
  encodeKeyringRequest,
  isKeyringRequest,
  type KeyringAnswer,
} from '../../../../core/swim/keyring-codec.ts'
import { objectionsTo, reportOf } from '../../../../core/swim/keyring-report.ts'
import { WireError } from '../../../../core/swim/wire.ts'

function key(fill: number): GossipKey {
  const made = GossipKey.fromBytes(new Uint8Array(32).fill(fill))
  assert.ok(made instanceof GossipKey)
  return made
}

describe('a key', () => {
  it('is base64 of 16, 24 or 32 bytes and nothing else', () => {
    for (let size = 0; size <= 40; size++) {
      const text = Buffer.alloc(size, 7).toString('base64')
      const made = GossipKey.fromText(text)
      if ([16, 24, 32].includes(size)) {
        assert.ok(made instanceof GossipKey)
        assert.equal(made.text, text)
      } else {
        assert.ok(!(made instanceof GossipKey) && made.kind === 'wrong-size')
      }
    }
    const bad = GossipKey.fromText('not base64!')
    assert.ok(!(bad instanceof GossipKey) && bad.kind === 'not-base64')
  })

  it('does not show itself', () => {
    const secret = key(7)
    for (const text of [`${secret}`, JSON.stringify({ secret }), inspect({ secret })]) {
      assert.ok(!text.includes(secret.text) && !text.includes('7, 7'), text)
    }
  })
})

describe('a keyring', () => {
  it('installs, uses and removes, and may be told twice', () => {
    const ring = new Keyring([key(1)])
    const run = (kind: 'install' | 'use' | 'remove', fill: number): string => {
      const outcome = ring.after({ kind, key: key(fill) })
      if (outcome.kind === 'refused') return outcome.reason
      ring.replace(outcome.keys)
      return ring.keys.map(({ bytes }) => bytes[0]).join()
    }
    assert.equal(run('use', 2), 'requested key is not in the keyring')
    assert.equal(run('install', 2), '1,2')
    assert.equal(run('install', 2), '1,2')
    assert.equal(run('install', 3), '1,2,3')
    assert.equal(run('remove', 1), 'removing the primary key is not allowed')
    assert.equal(run('use', 2), '2,1,3')
    assert.equal(run('use', 2), '2,1,3')
    assert.equal(run('remove', 1), '2,3')
    assert.equal(run('remove', 1), '2,3')
  })

  it('is never fuller than its bound', () => {
    const keys = Array.from({ length: KEYS_MAX }, (_, i) => key(i))
    const ring = new Keyring(keys)
    assert.equal(ring.after({ kind: 'install', key: key(200) }).kind, 'refused')
    assert.equal(ring.after({ kind: 'install', key: key(3) }).kind, 'keys')
  })
})

describe('bytes about keys', () => {
  it('come back as they were', () => {
    for (const kind of ['install', 'use', 'remove'] as const) {
      const bytes = encodeKeyringRequest({ kind, key: key(9) })
      assert.ok(isKeyringRequest(bytes))
      const request = decodeKeyringRequest(bytes)
      assert.ok(request.kind === kind && request.key.equals(key(9)))
    }
    assert.deepEqual(decodeKeyringRequest(encodeKeyringRequest({ kind: 'list' })), { kind: 'list' })
    const done = decodeKeyringAnswer(encodeKeyringAnswer({ kind: 'done', keys: [key(1), key(2)] }))
    assert.ok(done.kind === 'done')
    assert.deepEqual(
      done.keys.map(({ text }) => text),
      [key(1).text, key(2).text],
    )
    const failed: KeyringAnswer = { kind: 'failed', reason: 'the disk is full' }
    assert.deepEqual(decodeKeyringAnswer(encodeKeyringAnswer(failed)), failed)
  })

  it('that are others throw the one declared error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (rest) => {
        for (const [kind, decode] of [
          [34, decodeKeyringRequest],
          [35, decodeKeyringAnswer],
        ] as const) {
          try {
            decode(Uint8Array.of(kind, ...rest))
          } catch (thrown) {
            assert.ok(thrown instanceof WireError)
          }
        }
      }),
    )
  })
})

describe('a report on a pool', () => {
  const listed = new Map<string, KeyringAnswer>([
    ['a', { kind: 'done', keys: [key(1), key(2)] }],
    ['b', { kind: 'done', keys: [key(2), key(1)] }],
    ['c', { kind: 'failed', reason: 'no answer in time' }],
  ])

  it('counts keys, primaries and failures', () => {
    const report = reportOf(listed)
    assert.equal(report.nodes, 3)
    assert.deepEqual(
      [...report.keys],
      [
        [key(1).text, 2],
        [key(2).text, 2],
      ],
    )
    assert.equal(report.primaryKeys.get(key(2).text), 1)
    assert.deepEqual([...report.failures], [['c', 'no answer in time']])
  })

  it('objects to what would cut members off', () => {
    const names = (kind: 'install' | 'use' | 'remove', fill: number): string =>
      [...objectionsTo({ kind, key: key(fill) }, listed).keys()].join()
    assert.equal(names('install', 3), '')
    assert.equal(names('use', 2), 'c')
    assert.equal(names('use', 3), 'a,b,c')
    assert.equal(names('remove', 1), 'a,c')
    assert.equal(names('remove', 3), 'c')
  })
})
