/**
 * Host and channel over a real loopback socket, with handlers made for each test.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { open, REQUEST_BYTES_MAX, seal } from '../../../../runtime/rpc/envelope.ts'
import { RpcCallError, RpcChannel } from '../../../../runtime/rpc/rpc-channel.ts'
import { type RpcHandlers, RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { rpcHandlers } from './rpc-handlers.ts'

const TIMEOUT = { timeoutMs: 5000 }

async function withChannel(
  some: Partial<RpcHandlers>,
  use: (channel: RpcChannel, host: RpcHost) => Promise<void>,
): Promise<void> {
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    { handlers: rpcHandlers(some), log: silentLogger },
  )
  await host.start()
  const channel = await RpcChannel.open(`127.0.0.1:${host.port}`, systemClock)
  try {
    await use(channel, host)
  } finally {
    channel.close()
    await host.stop()
  }
}

async function failureOf(call: Promise<unknown>): Promise<RpcCallError> {
  const thrown = await call.then(
    () => assert.fail('the call should fail'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof RpcCallError, String(thrown))
  return thrown
}

test('values cross whole: bytes, big integers, absent fields', async () => {
  await withChannel({ read: async (request) => request }, async (channel) => {
    const value = {
      a: [1, null, 'ü'],
      bytes: new Uint8Array([0, 255]),
      big: 2n ** 63n,
      none: undefined,
    }
    const { none: _, ...expected } = value
    assert.deepEqual(await channel.call('read', value, TIMEOUT), expected)
    assert.equal(await channel.call('read', null, TIMEOUT), null)
  })
})

test('an error arrives with its code, with its message behind the words for a hop, and as refused', async () => {
  const thrower = async (): Promise<unknown> => {
    throw new FairleadError('REJECTED', "Missing check 'x' – registration")
  }
  await withChannel({ write: thrower }, async (channel) => {
    const { failure } = await failureOf(channel.call('write', {}, TIMEOUT))
    assert.equal(failure.kind, 'refused')
    assert.equal(failure.error.code, 'REJECTED')
    assert.equal(failure.error.message, "rpc error making call: Missing check 'x' – registration")
  })
})

test('an unforeseen error arrives as INTERNAL', async () => {
  const thrower = async (): Promise<unknown> => {
    throw new TypeError('x is not a function')
  }
  await withChannel({ write: thrower }, async (channel) => {
    const { failure } = await failureOf(channel.call('write', {}, TIMEOUT))
    assert.equal(failure.error.code, 'INTERNAL')
  })
})

test('an abort cancels the call on both sides', async () => {
  const entered = Promise.withResolvers<AbortSignal>()
  const block = async (_: unknown, signal: AbortSignal): Promise<unknown> => {
    entered.resolve(signal)
    await once(signal, 'abort')
    throw signal.reason
  }
  await withChannel({ read: block }, async (channel) => {
    const controller = new AbortController()
    const call = channel.call('read', {}, { ...TIMEOUT, signal: controller.signal })
    const signal = await entered.promise
    controller.abort(new Error('changed my mind'))
    await assert.rejects(call, /changed my mind/)
    if (!signal.aborted) await once(signal, 'abort')
  })
})

test('a deadline ends the call on both sides', async () => {
  const ended = Promise.withResolvers<void>()
  const block = async (_: unknown, signal: AbortSignal): Promise<unknown> => {
    signal.addEventListener('abort', () => ended.resolve(), { once: true })
    await ended.promise
    throw signal.reason
  }
  await withChannel({ read: block }, async (channel) => {
    const { failure } = await failureOf(channel.call('read', {}, { timeoutMs: 50 }))
    assert.equal(failure.kind, 'lost')
    assert.match(failure.error.message, /i\/o timeout/)
    await ended.promise
  })
})

test('a request past the bound is refused, the largest below it is not', async () => {
  await withChannel({ write: async () => ({}) }, async (channel) => {
    const fits = 'x'.repeat(REQUEST_BYTES_MAX - 64)
    await channel.call('write', fits, TIMEOUT)
    const { failure } = await failureOf(channel.call('write', `${fits}${fits}`, TIMEOUT))
    assert.equal(failure.kind, 'refused')
    assert.equal(failure.error.code, 'TOO_LARGE')
  })
})

test('what is no envelope, or one of the future, is refused by name', () => {
  assert.throws(() => open(Buffer.from('garbage!')), { code: 'BAD_REQUEST' })
  const sealed = seal({ a: 1 })
  assert.deepEqual(open(sealed), { a: 1 })
  const future = Buffer.from(sealed)
  assert.equal(future[1], 1)
  future[1] = 9
  assert.throws(() => open(future), { code: 'NOT_SUPPORTED' })
})

test('stopping the host aborts what runs and frees the port', async () => {
  const entered = Promise.withResolvers<void>()
  const block = async (_: unknown, signal: AbortSignal): Promise<unknown> => {
    entered.resolve()
    await once(signal, 'abort')
    throw signal.reason
  }
  await withChannel({ read: block }, async (channel, host) => {
    const call = failureOf(channel.call('read', {}, TIMEOUT))
    await entered.promise
    const { port } = host
    await host.stop()
    await call
    const again = new RpcHost(
      { address: '127.0.0.1', port },
      { handlers: rpcHandlers({}), log: silentLogger },
    )
    await again.start()
    await again.stop()
  })
})

test('a port that is taken is refused by name', async () => {
  await withChannel({}, async (_, host) => {
    const second = new RpcHost(
      { address: '127.0.0.1', port: host.port },
      { handlers: rpcHandlers({}), log: silentLogger },
    )
    await assert.rejects(second.start(), {
      code: 'INVALID_CONFIG',
      message: new RegExp(`127.0.0.1:${host.port}`),
    })
  })
})

test('bytes that are no HTTP/2 do not disturb other callers', async () => {
  await withChannel({ status: async () => 'fine' }, async (channel, host) => {
    const socket = connect(host.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\n\r\n')
    assert.equal(await channel.call('status', {}, TIMEOUT), 'fine')
    socket.destroy()
  })
})

test('connecting to nobody is told apart from losing a call', async () => {
  const channel = await RpcChannel.open('127.0.0.1:1', systemClock)
  await assert.rejects(channel.whenReady(200), { code: 'NO_SERVERS' })
  channel.close()
})
