/**
 * How a client-mode agent chooses servers and what it repeats. The servers here answer as each test wants.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from '../../../../core/catalog/commands.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { type RpcHandlers, RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { RpcServerApi } from '../../../../runtime/rpc/rpc-server-api.ts'

const WRITE: Command = { kind: 'kv', op: { verb: 'delete', key: 'a' }, now: wallTime(0) }

async function host(some: Partial<RpcHandlers>): Promise<RpcHost> {
  const none = async (): Promise<unknown> => assert.fail('not part of this test')
  const rpc = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: {
        read: none,
        write: none,
        signLeaf: none,
        renewSession: none,
        status: none,
        subscribe: async function* () {},
        ...some,
      },
      log: silentLogger,
    },
  )
  await rpc.start()
  return rpc
}

async function using(
  hosts: readonly RpcHost[],
  use: (api: RpcServerApi) => Promise<void>,
  options: { holdMs?: number; extra?: readonly string[] } = {},
): Promise<void> {
  const addresses = [...(options.extra ?? []), ...hosts.map((one) => `127.0.0.1:${one.port}`)]
  const api = new RpcServerApi(
    { servers: () => addresses, nodeId: 'agent-1', holdMs: options.holdMs ?? 3000 },
    { clock: systemClock, rng: seededRng(5), log: silentLogger },
  )
  try {
    await use(api)
  } finally {
    await api.close()
    for (const one of hosts) await one.stop()
  }
}

const ok = async (): Promise<unknown> => ({ ok: true, index: 7, value: true })

test('a server that is not there is passed over', async () => {
  const one = await host({ write: ok })
  for (const seed of [1, 2, 3]) {
    const api = new RpcServerApi(
      {
        servers: () => ['127.0.0.1:1', `127.0.0.1:${one.port}`],
        nodeId: `agent-${seed}`,
        holdMs: 9000,
      },
      { clock: systemClock, rng: seededRng(seed), log: silentLogger },
    )
    assert.equal((await api.write(WRITE)).index, 7)
    await api.close()
  }
  await one.stop()
})
test('without servers the error says so', async () => {
  await using(
    [],
    async (api) => {
      await assert.rejects(api.status(), { code: 'NO_SERVERS', message: 'No known Consul servers' })
    },
    { holdMs: 50 },
  )
})

test('a write refused for want of a leader is tried again, one that broke a rule is not', async () => {
  let calls = 0
  const leaderless = await host({
    write: async () => {
      calls += 1
      if (calls < 3) throw new FairleadError('NO_LEADER', 'No cluster leader')
      return ok()
    },
  })
  await using([leaderless], async (api) => {
    assert.equal((await api.write(WRITE)).ok, true)
    assert.equal(calls, 3)
  })
  let refusals = 0
  const strict = await host({
    write: async () => {
      refusals += 1
      throw new FairleadError('REJECTED', 'no')
    },
  })
  await using([strict], async (api) => {
    await assert.rejects(api.write(WRITE), { code: 'REJECTED', message: 'no' })
    assert.equal(refusals, 1)
  })
})

test('trying again ends with the hold', async () => {
  const leaderless = await host({
    read: async () => {
      throw new FairleadError('NO_LEADER', 'No cluster leader')
    },
  })
  await using(
    [leaderless],
    async (api) => {
      const begun = systemClock.now()
      await assert.rejects(api.read('ca.roots', {}), { code: 'NO_LEADER' })
      assert.ok(systemClock.now() - begun < 2000)
    },
    { holdMs: 200 },
  )
})

test('a write whose answer is lost is of unknown outcome and sent once', async () => {
  let writes = 0
  const dying: RpcHost = await host({
    write: async () => {
      writes += 1
      await dying.stop()
      return new Promise(() => {})
    },
  })
  let others = 0
  const healthy = await host({
    write: async () => {
      others += 1
      return ok()
    },
  })
  // Only the dying one is known at first, so that it is the one chosen.
  const known = [`127.0.0.1:${dying.port}`]
  const api = new RpcServerApi(
    { servers: () => known, nodeId: 'agent-1', holdMs: 3000 },
    { clock: systemClock, rng: seededRng(1), log: silentLogger },
  )
  await assert.rejects(api.write(WRITE), { code: 'OUTCOME_UNKNOWN' })
  assert.equal(writes, 1)
  known.push(`127.0.0.1:${healthy.port}`)
  assert.equal((await api.write(WRITE)).index, 7)
  assert.equal(others, 1)
  await api.close()
  await healthy.stop()
})

test('a read whose server dies is asked of another', async () => {
  const reply = { value: { activeRootId: '', trustDomain: '', roots: [] }, index: 3 }
  const dying: RpcHost = await host({
    read: async () => {
      known.push(`127.0.0.1:${healthy.port}`)
      await dying.stop()
      return new Promise(() => {})
    },
  })
  const healthy = await host({ read: async () => reply })
  const known = [`127.0.0.1:${dying.port}`]
  const api = new RpcServerApi(
    { servers: () => known, nodeId: 'agent-1', holdMs: 3000 },
    { clock: systemClock, rng: seededRng(1), log: silentLogger },
  )
  assert.equal((await api.read('ca.roots', {})).index, 3)
  await api.close()
  await healthy.stop()
})

test('closing ends calls and subscriptions', async () => {
  const stuck = await host({ read: () => new Promise(() => {}) })
  await using([stuck], async (api) => {
    const read = assert.rejects(api.read('ca.roots', {}), { code: 'SHUTTING_DOWN' })
    const frames = assert.rejects(
      (async () => {
        for await (const _ of api.subscribe({ topic: 'roots', key: '' })) assert.fail('no frame')
        throw new FairleadError('SHUTTING_DOWN', 'ended')
      })(),
      { code: 'SHUTTING_DOWN' },
    )
    await api.close()
    await Promise.all([read, frames])
  })
})
