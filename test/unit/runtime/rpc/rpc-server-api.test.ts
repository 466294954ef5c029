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
import { rpcHandlers } from './rpc-handlers.ts'

const WRITE: Command = { kind: 'kv', op: { verb: 'delete', key: 'a' }, now: wallTime(0) }

async function host(some: Partial<RpcHandlers>): Promise<RpcHost> {
  const rpc = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    { handlers: rpcHandlers(some), log: silentLogger },
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
    {
      servers: () => addresses,
      members: () => 2,
      nodeId: 'agent-1',
      holdMs: options.holdMs ?? 3000,
    },
    { clock: systemClock, rng: seededRng(5), log: silentLogger },
  )
  try {
    await use(api)
  } finally {
    await api.close()
    for (const one of hosts) await one.stop()
  }
}

async function withApi(
  options: { readonly servers: () => readonly string[]; readonly holdMs: number },
  use: (api: RpcServerApi) => Promise<void>,
): Promise<void> {
  const api = new RpcServerApi(
    { nodeId: 'agent-1', members: () => 2, ...options },
    { clock: systemClock, rng: seededRng(1), log: silentLogger },
  )
  try {
    await use(api)
  } finally {
    await api.close()
  }
}

const ok = async (): Promise<unknown> => ({ ok: true, index: 7, value: true })

test('a server that is not there is passed over', async () => {
  const one = await host({ write: ok })
  for (const seed of [1, 2, 3]) {
    const api = new RpcServerApi(
      {
        servers: () => ['127.0.0.1:1', `127.0.0.1:${one.port}`],
        members: () => 2,
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
    await assert.rejects(api.write(WRITE), {
      code: 'REJECTED',
      message: 'rpc error making call: no',
    })
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

test('a write whose answer is lost is sent to another server under the same name', async () => {
  const sent: unknown[] = []
  const dying: RpcHost = await host({
    write: async (message) => {
      sent.push(message)
      known.push(`127.0.0.1:${healthy.port}`)
      await dying.stop()
      return new Promise(() => {})
    },
  })
  const healthy = await host({
    write: async (message) => {
      sent.push(message)
      return ok()
    },
  })
  // Only the dying one is known at first, so that it is the one chosen.
  const known = [`127.0.0.1:${dying.port}`]
  await withApi({ servers: () => known, holdMs: 3000 }, async (api) => {
    assert.equal((await api.write(WRITE)).index, 7)
    assert.equal(sent.length, 2)
    assert.deepEqual(sent[0], sent[1])
    await api.write(WRITE)
    assert.notDeepEqual(sent[2], sent[1])
  })
  await healthy.stop()
})

test('a write that nobody answers is of unknown outcome, whatever the last attempt said', async () => {
  const dying: RpcHost = await host({
    write: async () => {
      await dying.stop()
      return new Promise(() => {})
    },
  })
  await using(
    [dying],
    async (api) => assert.rejects(api.write(WRITE), { code: 'OUTCOME_UNKNOWN' }),
    {
      holdMs: 300,
    },
  )
})

test('what an operator changes is sent once, what he asks is sent again', async () => {
  let calls = 0
  const dying: RpcHost = await host({
    operate: async () => {
      calls += 1
      await dying.stop()
      return new Promise(() => {})
    },
  })
  await using([dying], async (api) => {
    await assert.rejects(api.operate('raft.transfer-leader', {}), { code: 'OUTCOME_UNKNOWN' })
  })
  assert.equal(calls, 1)
  const flaky: RpcHost = await host({
    operate: async () => {
      calls += 1
      known.push(`127.0.0.1:${healthy.port}`)
      await flaky.stop()
      return new Promise(() => {})
    },
  })
  const healthy = await host({ operate: async () => ({ servers: [], index: 4 }) })
  const known = [`127.0.0.1:${flaky.port}`]
  await withApi({ servers: () => known, holdMs: 3000 }, async (api) => {
    const reply = await api.operate('raft.configuration', { stale: false })
    assert.equal(reply.index, 4)
  })
  await healthy.stop()
})

test('a living server is found among dead ones', async () => {
  const alive = await host({ write: ok })
  const dead = [1, 2, 3, 4].map((port) => `127.0.0.1:${port}`)
  await using([alive], async (api) => assert.equal((await api.write(WRITE)).index, 7), {
    extra: dead,
    holdMs: 9000,
  })
})

test('a server without a leader is left for another, and lets calls that run there end', async () => {
  const release = Promise.withResolvers<void>()
  const leaderless = await host({
    read: async () => {
      throw new FairleadError('NO_LEADER', 'No cluster leader')
    },
    write: async () => {
      await release.promise
      return { ok: true, index: 1, value: true }
    },
  })
  const healthy = await host({ read: async () => ({ index: 2 }) })
  const known = [`127.0.0.1:${leaderless.port}`]
  await withApi({ servers: () => known, holdMs: 3000 }, async (api) => {
    const write = api.write(WRITE)
    known.push(`127.0.0.1:${healthy.port}`)
    assert.equal((await api.read('ca.roots', {})).index, 2)
    release.resolve()
    assert.equal((await write).index, 1)
  })
  await leaderless.stop()
  await healthy.stop()
})

test('a server that left the cluster is left', async () => {
  const former = await host({ status: async () => 'former' })
  const other = await host({ status: async () => 'other' })
  let known = [`127.0.0.1:${former.port}`]
  await withApi({ servers: () => known, holdMs: 3000 }, async (api) => {
    assert.equal(await api.status(), 'former')
    known = [`127.0.0.1:${other.port}`]
    assert.equal(await api.status(), 'other')
  })
  await former.stop()
  await other.stop()
})

test('images cross in both directions, and errors in them', async () => {
  const image = [1, 2, 3].map((n) => new Uint8Array(700_000).fill(n))
  const received: number[] = []
  const one = await host({
    saveImage: async function* (request) {
      assert.deepEqual(request, { stale: true })
      yield { kind: 'head', value: { index: 9, term: 2, configuration: { servers: [], index: 1 } } }
      for (const bytes of image) yield { kind: 'chunk', bytes }
    },
    restoreImage: async (chunks) => {
      for await (const chunk of chunks) received.push(chunk.length)
      if (received.length < 3) throw new FairleadError('BAD_REQUEST', 'Too short')
      return null
    },
  })
  await using([one], async (api) => {
    const saved = await api.saveImage({ stale: true })
    assert.equal(saved.index, 9)
    const bytes: Uint8Array[] = []
    for await (const chunk of saved.chunks) bytes.push(chunk)
    assert.ok(Buffer.concat(bytes).equals(Buffer.concat(image)))
    async function* whole() {
      yield* image
    }
    await api.restoreImage(whole())
    assert.deepEqual(received, [700_000, 700_000, 700_000])
    received.length = 0
    async function* short() {
      yield new Uint8Array(3 * 1024 * 1024).subarray(0, 5)
    }
    await assert.rejects(api.restoreImage(short()), {
      code: 'BAD_REQUEST',
      message: 'rpc error making call: Too short',
    })
    async function* broken() {
      yield new Uint8Array(5)
      throw new FairleadError('BAD_REQUEST', 'The archive is damaged')
    }
    await assert.rejects(api.restoreImage(broken()), { message: 'The archive is damaged' })
  })
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
    { servers: () => known, members: () => 2, nodeId: 'agent-1', holdMs: 3000 },
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
