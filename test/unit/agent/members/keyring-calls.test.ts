/**
 * Requests about keys between members of which some do not reach each other: each has an instance of its own, and an
 * exchange is a call.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KeyringCalls } from '../../../../agent/members/keyring-calls.ts'
import { seededRng } from '../../../../core/rng.ts'
import {
  encodeKeyringRelay,
  encodeKeyringRequest,
  isKeyringRelay,
} from '../../../../core/swim/keyring-codec.ts'
import type { ExchangeOutcome, MemberView } from '../../../../core/swim/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const TIMEOUT_MS = 10_000
const REQUEST = encodeKeyringRequest({ kind: 'list' })

function member(name: string, status: MemberView['status'] = 'alive'): MemberView {
  const state = status === 'alive' ? 'alive' : 'dead'
  const facts = { id: `id-${name}`, address: name, port: 1, tags: {}, incarnation: 1 }
  return { name, ...facts, status, state, statusTime: 0 }
}

class Net {
  readonly clock = new ManualClock()
  readonly members: readonly MemberView[]
  readonly #nodes = new Map<string, KeyringCalls>()
  /** `from to`: what is sent there is lost. */
  readonly cut = new Set<string>()
  /** `from to`, of each exchange in order. */
  readonly exchanges: string[] = []

  constructor(...members: readonly MemberView[]) {
    this.members = members
  }

  node(name: string): KeyringCalls {
    const known = this.#nodes.get(name)
    if (known !== undefined) return known
    const made = new KeyringCalls({
      clock: this.clock,
      rng: seededRng(1),
      nodeName: name,
      timeoutMs: TIMEOUT_MS,
      members: () => this.members,
      exchange: async (to, bytes, deadline) => {
        this.exchanges.push(`${name} ${to.address}`)
        if (this.cut.has(`${name} ${to.address}`)) return await this.#timeOut(deadline)
        const isRelay = isKeyringRelay(bytes)
        const answer = isRelay
          ? await this.node(to.address).relay(bytes, true)
          : Buffer.from(`keys of ${to.address}`)
        return { kind: 'reply', bytes: answer }
      },
    })
    this.#nodes.set(name, made)
    return made
  }

  async #timeOut(deadline: ReturnType<ManualClock['now']>): Promise<ExchangeOutcome> {
    const { promise, resolve } = Promise.withResolvers<ExchangeOutcome>()
    this.clock.timer(deadline, () => resolve({ kind: 'failed', reason: 'no answer in time' }))
    return await promise
  }
}

/** Lets all that waits for promises only go on. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

async function askBy(
  net: Net,
  target: string,
  relayFactor: number,
): Promise<{ readonly text: string | undefined; readonly afterMs: number }> {
  let outcome: ExchangeOutcome | undefined
  const began = net.clock.now()
  void net
    .node('a')
    .others(relayFactor)
    .get(target)?.(REQUEST)
    .then((answer) => {
      outcome = answer
    })
  for (let ms = 0; ms <= 2 * TIMEOUT_MS; ms += 500) {
    await settle()
    if (outcome !== undefined) break
    net.clock.advance(500)
  }
  const afterMs = net.clock.now() - began
  const text = outcome?.kind === 'reply' ? Buffer.from(outcome.bytes).toString() : outcome?.reason
  return { text, afterMs }
}

describe('requests about keys', () => {
  it('go to each live other member, and to nobody else', () => {
    const net = new Net(member('a'), member('b'), member('gone', 'failed'), member('c'))
    assert.deepEqual([...net.node('a').others(2).keys()], ['b', 'c'])
  })

  it('are not handed on while members answer themselves', async () => {
    const net = new Net(member('a'), member('b'), member('c'))
    assert.deepEqual(await askBy(net, 'b', 5), { text: 'keys of b', afterMs: 0 })
    assert.deepEqual(net.exchanges, ['a b'])
  })

  it('reach who is cut off from who asks by way of another, when that is wanted', async () => {
    const net = new Net(member('a'), member('b'), member('c'))
    net.cut.add('a b')
    assert.deepEqual(await askBy(net, 'b', 1), { text: 'keys of b', afterMs: 2000 })
    assert.deepEqual(net.exchanges, ['a b', 'a c', 'c b'])
    const alone = await askBy(net, 'b', 0)
    assert.deepEqual(alone, { text: 'no answer in time', afterMs: TIMEOUT_MS })
  })

  it('reach it also when some of the helpers do not', async () => {
    const net = new Net(member('a'), member('b'), member('c'), member('d'), member('e'))
    for (const pair of ['a b', 'c b', 'a d']) net.cut.add(pair)
    assert.deepEqual(await askBy(net, 'b', 3), { text: 'keys of b', afterMs: 2000 })
  })

  it('fail by their own reason where nobody reaches it', async () => {
    const net = new Net(member('a'), member('b'), member('c'))
    for (const pair of ['a b', 'c b']) net.cut.add(pair)
    const { text } = await askBy(net, 'b', 2)
    assert.equal(text, 'no answer in time')
  })

  it('are handed on only encrypted, once, and to members that live', async () => {
    const net = new Net(member('a'), member('b'), member('gone', 'failed'))
    const node = net.node('a')
    const nothing = async (bytes: Uint8Array, isEncrypted = true): Promise<void> => {
      assert.equal((await node.relay(bytes, isEncrypted)).length, 0)
    }
    await nothing(encodeKeyringRelay('b', REQUEST), false)
    await nothing(encodeKeyringRelay('gone', REQUEST))
    await nothing(encodeKeyringRelay('stranger', REQUEST))
    await nothing(encodeKeyringRelay('b', encodeKeyringRelay('b', REQUEST).subarray(0, 40)))
    await nothing(encodeKeyringRelay('b', new Uint8Array(10)))
    await nothing(encodeKeyringRelay('b', REQUEST).subarray(0, 3))
    assert.deepEqual(net.exchanges, [])
  })
})
