/**
 * Calls from one server to another over real sockets: what arrives, what is refused, what is lost.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCommand } from '../../../../core/catalog/codec.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import type { PeerStats } from '../../../../core/rpc/peer-calls.ts'
import { wallTime } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { RpcPeerCalls } from '../../../../runtime/rpc/rpc-peer-calls.ts'
import { type PeerHandlersDeps, peerHandlers } from '../../../../server/rpc/peer-handlers.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'
import { TcpWire } from './tcp-wire.ts'

const never = new AbortController().signal
const CONFIGURATION = votersOnly([{ id: serverId('a'), address: 'a:1' }])
const COMMAND = encodeCommand(
  { kind: 'kv', op: { verb: 'delete', key: 'a' }, now: wallTime(0) },
  { origin: 'node', boot: 'b1', seq: 1 },
)
const STATS: PeerStats = {
  serverId: 'a',
  cluster: { clusterId: 'c1', epoch: 2 },
  lastTerm: 3,
  lastIndex: 40,
  commitIndex: 39,
  leaderId: null,
  lastContactMs: null,
  bootstrapExpect: 3,
  version: '0.1.0',
}

async function open(some: Partial<PeerHandlersDeps> = {}) {
  const none = async (): Promise<never> => assert.fail('not part of this test')
  const peers = peerHandlers({ stats: () => STATS, bootstrap: none, forwarded: none, ...some })
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    { handlers: rpcHandlers(), peers, log: silentLogger },
  )
  await host.start()
  const wire = await TcpWire.open(() => host.port)
  const calls = new RpcPeerCalls({ clock: systemClock })
  return {
    host,
    wire,
    calls,
    address: wire.address,
    async [Symbol.asyncDispose]() {
      await calls.close()
      await wire[Symbol.asyncDispose]()
      await host.stop()
    },
  }
}

describe('calls between servers', { concurrency: true }, () => {
  it('carry stats and the steps of founding', async () => {
    const request = {
      step: 'accept',
      clusterId: 'c1',
      expect: 1,
      configuration: CONFIGURATION,
    } as const
    await using server = await open({
      bootstrap: async (received) => {
        assert.deepEqual(received, request)
        return { kind: 'refused', reason: 'has data' }
      },
    })
    assert.deepEqual(await server.calls.stats(server.address, never), STATS)
    assert.deepEqual(await server.calls.bootstrap(server.address, request, never), {
      kind: 'refused',
      reason: 'has data',
    })
  })

  it('hand on what is forwarded, and the leader’s word back', async () => {
    const seen: unknown[] = []
    await using server = await open({
      forwarded: async (method, message) => {
        seen.push([method, message])
        if (method === 'signLeaf') throw new FairleadError('NO_LEADER', 'not the leader')
        return { ok: true, index: 5 }
      },
    })
    const { calls, address } = server
    assert.deepEqual(await calls.forward(address, 'write', { command: COMMAND }, undefined), {
      ok: true,
      index: 5,
    })
    await assert.rejects(calls.forward(address, 'signLeaf', { csrPem: 'x' }, undefined), {
      code: 'NO_LEADER',
      message: 'rpc error making call: not the leader',
    })
    const wish = { name: 'raft.remove-peer', request: { id: 'a' } }
    await calls.forward(address, 'operator', wish, undefined)
    assert.deepEqual(seen, [
      ['write', { command: COMMAND }],
      ['signLeaf', { csrPem: 'x' }],
      ['operator', wish],
    ])
  })

  it('are refused when they are malformed, with the place', async () => {
    await using server = await open()
    const { calls, address } = server
    const bad: readonly [() => Promise<unknown>, RegExp][] = [
      [
        () => calls.forward(address, 'write', { command: 'text' }, never),
        /command: expected bytes/,
      ],
      [() => calls.forward(address, 'renewSession', {}, never), /id: expected a text/],
      [() => calls.forward(address, 'nonsense' as never, {}, never), /method: expected one of/],
      [
        () => calls.forward(address, 'operator', { name: 'raft.remove-peer', request: {} }, never),
        /raft.remove-peer/,
      ],
      [
        () =>
          calls.bootstrap(
            address,
            {
              step: 'accept',
              clusterId: 'c1',
              expect: 3,
              configuration: { ...CONFIGURATION, addresses: [] },
            },
            never,
          ),
        /exactly one address/,
      ],
    ]
    for (const [call, message] of bad) {
      await assert.rejects(call(), { code: 'BAD_REQUEST', message })
    }
  })

  it('tell "never sent" from "lost on the way"', async () => {
    await using server = await open({
      forwarded: () => {
        server.wire.cut()
        return new Promise(() => {})
      },
    })
    const { calls, address, wire } = server
    const write = () => calls.forward(address, 'write', { command: COMMAND }, undefined)
    wire.cut()
    await assert.rejects(write(), { code: 'NO_LEADER' })
    await assert.rejects(calls.stats(address, never), { code: 'NO_SERVERS' })
    wire.mend()
    const thrown = await write().catch((error: unknown) => error)
    assert.ok(thrown instanceof FairleadError)
    assert.equal(thrown.code, 'OUTCOME_UNKNOWN')
  })

  it('end with their signal', async () => {
    const giveUp = new AbortController()
    await using server = await open({
      forwarded: () => {
        giveUp.abort(new Error('changed my mind'))
        return new Promise(() => {})
      },
    })
    await assert.rejects(
      server.calls.forward(server.address, 'write', { command: COMMAND }, giveUp.signal),
      /changed my mind/,
    )
  })

  it('are refused by a server that drains, while those that run end', async () => {
    const entered = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    await using server = await open({
      forwarded: async () => {
        entered.resolve()
        await release.promise
        return 'done'
      },
    })
    const { calls, address, host } = server
    const running = calls.forward(address, 'write', { command: COMMAND }, undefined)
    await entered.promise
    const drained = host.drain(new AbortController().signal)
    await assert.rejects(calls.stats(address, never), { code: 'SHUTTING_DOWN' })
    release.resolve()
    assert.equal(await running, 'done')
    await drained
  })
})
