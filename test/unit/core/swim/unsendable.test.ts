/**
 * Probes that were not sent: whose fault it is decides what is concluded.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeAddress } from '../../../../core/swim/types.ts'
import { addressOf, alive, Bench } from './core-bench.ts'

/** Who is probed next. */
function nextProbed(bench: Bench): NodeAddress {
  bench.sent = []
  bench.passToPing()
  const ping = bench.sent.find(({ message }) => message.kind === 'ping')
  assert.ok(ping !== undefined)
  return { address: ping.to.address, port: ping.to.port }
}

test('a probe that this host cannot send says nothing of the other', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'))
  for (let probe = 0; probe < 5; probe++) {
    bench.input({ kind: 'unsendable', to: nextProbed(bench), isOurs: true })
  }
  assert.equal(bench.core.counters.probesFailed, 0)
  assert.equal(bench.core.healthScore, 5, 'it distrusts itself')
  assert.deepEqual([bench.state('b'), bench.state('c')], ['alive alive 1', 'alive alive 1'])
})

test('where the way ends at the other, helpers are asked at once, and once', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), alive('d'))
  const to = nextProbed(bench)
  bench.input({ kind: 'unsendable', to: addressOf('x'), isOurs: false })
  assert.deepEqual(bench.sentOf('indirect-ping'), [], 'that was no probe')
  bench.input({ kind: 'unsendable', to, isOurs: false })
  bench.input({ kind: 'unsendable', to, isOurs: false })
  assert.equal(bench.sentOf('indirect-ping').length, 2)
  bench.pass(bench.now + 600)
  assert.equal(bench.sentOf('indirect-ping').length, 2)
})
