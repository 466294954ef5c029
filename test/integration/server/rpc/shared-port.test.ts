/**
 * Feeds beside gRPC on the port of RPC, as raw TCP connections see it.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import type { ByteStream } from '../../../../runtime/rpc/byte-stream.ts'
import {
  decodeFromAgent,
  decodeFromServer,
  encodeFeedMessage,
  FOLLOW_BYTES_MAX,
  type FromServer,
} from '../../../../runtime/rpc/feed-messages.ts'
import { dialFeeds, FEED_GREETING } from '../../../../runtime/rpc/feed-socket.ts'
import { RpcChannel } from '../../../../runtime/rpc/rpc-channel.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { SharedPort } from '../../../../runtime/rpc/shared-port.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'
import { TcpWire } from './tcp-wire.ts'

const never = new AbortController().signal
const PING = encodeFeedMessage({ kind: 'ping' })
const BOOKMARK: FromServer = { kind: 'bookmark', index: 7, hasLeader: true }

/** A host whose streams of feeds the test holds. */
async function startHost(): Promise<
  {
    readonly address: string
    readonly port: number
    accepted(): Promise<ByteStream>
  } & AsyncDisposable
> {
  const streams: ByteStream[] = []
  const waiting: ((stream: ByteStream) => void)[] = []
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: rpcHandlers({ read: async (request) => request }),
      feeds: (stream) => {
        const wants = waiting.shift()
        if (wants === undefined) streams.push(stream)
        else wants(stream)
      },
      log: silentLogger,
    },
  )
  await host.start()
  return {
    address: `127.0.0.1:${host.port}`,
    port: host.port,
    accepted: () => {
      const stream = streams.shift()
      return stream === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(stream)
    },
    [Symbol.asyncDispose]: () => host.stop(),
  }
}

function received(stream: ByteStream, count: number): Promise<Buffer[]> {
  const messages: Buffer[] = []
  return new Promise((resolve) =>
    stream.onBytes((bytes) => {
      messages.push(bytes)
      if (messages.length === count) resolve(messages)
    }),
  )
}

function ended(stream: ByteStream): Promise<FairleadError | null> {
  return new Promise((resolve) => stream.onEnd(resolve))
}

async function raw(port: number, bytes: Uint8Array): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(bytes)
  return socket
}

test('feeds and calls share a port', async (t) => {
  await using host = await startHost()
  const channel = await RpcChannel.open(host.address, systemClock)
  t.after(() => channel.close())
  const agent = await channel.feeds(never)
  const server = await host.accepted()
  const atServer = received(server, 2)
  agent.write(PING, () => {})
  agent.write(PING, () => {})
  assert.deepEqual((await atServer).map(decodeFromAgent), [{ kind: 'ping' }, { kind: 'ping' }])
  const atAgent = received(agent, 1)
  server.write(encodeFeedMessage(BOOKMARK), () => {})
  assert.deepEqual((await atAgent).map(decodeFromServer), [BOOKMARK])
  assert.equal(await channel.call('read', 5, { timeoutMs: 5_000 }), 5)
})

test('a message comes whole however it is cut, and several in one piece', async () => {
  await using host = await startHost()
  const all = Buffer.concat([FEED_GREETING, PING, PING, PING])
  const socket = await raw(host.port, all.subarray(0, 1))
  const server = await host.accepted()
  const messages = received(server, 3)
  for (let at = 1; at < all.length - PING.length; at++) {
    await new Promise<void>((resolve) => socket.write(all.subarray(at, at + 1), () => resolve()))
  }
  socket.write(all.subarray(all.length - PING.length))
  assert.deepEqual((await messages).map(decodeFromAgent), Array(3).fill({ kind: 'ping' }))
  socket.destroy()
})

test('a large message comes whole, and an agent may not send one', async () => {
  await using host = await startHost()
  const agent = await dialFeeds(host.address, never)
  const server = await host.accepted()
  server.onBytes(() => {})
  const message = 'x'.repeat(3_000_000)
  const refused: FromServer = {
    kind: 'refused',
    topic: { topic: 'roots', key: '' },
    code: 'BUSY',
    message,
  }
  const atAgent = received(agent, 1)
  server.write(encodeFeedMessage(refused), () => {})
  assert.deepEqual(decodeFromServer((await atAgent)[0] ?? Buffer.alloc(0)), refused)
  const atServer = ended(server)
  const told = ended(agent)
  agent.write(Buffer.from([1, 0, 0, 0xff, 0xff]), () => {})
  assert.equal((await atServer)?.code, 'TOO_LARGE')
  assert.equal((await told)?.code, 'TOO_LARGE')
  assert.ok(FOLLOW_BYTES_MAX < 0xffff)
})

test('the server says why it ends; a broken connection is a lost one, on both sides', async () => {
  await using host = await startHost()
  const first = await dialFeeds(host.address, never)
  first.onBytes(() => {})
  const told = ended(first)
  const server = await host.accepted()
  server.onBytes(() => {})
  server.end(new FairleadError('BUSY', 'Too many agents come at once'))
  const error = await told
  assert.equal(error?.code, 'BUSY')
  assert.equal(error?.message, 'rpc error making call: Too many agents come at once')
  const second = await dialFeeds(host.address, never)
  const other = await host.accepted()
  other.onBytes(() => {})
  const lost = ended(other)
  second.end()
  assert.equal((await lost)?.code, 'NO_SERVERS')
})

test('who speaks neither protocol, or another version, is cut', async () => {
  await using host = await startHost()
  const http = await raw(host.port, Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  http.resume()
  await once(http, 'close')
  const newer = await raw(host.port, Buffer.from('FEEDS/9\n'))
  newer.resume()
  const server = await host.accepted()
  const error = ended(server)
  server.onBytes(() => assert.fail('nothing was said'))
  assert.equal((await error)?.code, 'NOT_SUPPORTED')
  await once(newer, 'close')
})

test('a channel that is retired ends its feeds as lost', async () => {
  await using host = await startHost()
  const channel = await RpcChannel.open(host.address, systemClock)
  const agent = await channel.feeds(never)
  agent.onBytes(() => {})
  const over = ended(agent)
  await new Promise<void>((resolve) => channel.retire(resolve))
  assert.equal((await over)?.code, 'NO_SERVERS')
})

test('a server that stops waits for nobody', async () => {
  await using host = await startHost()
  const silent = await raw(host.port, Buffer.alloc(0))
  const agent = await dialFeeds(host.address, never)
  const over = ended(agent)
  agent.onBytes(() => {})
  await host.accepted()
  await host[Symbol.asyncDispose]()
  assert.equal((await over)?.code, 'NO_SERVERS')
  silent.resume()
  await once(silent, 'close')
  await assert.rejects(dialFeeds(host.address, never), { code: 'NO_SERVERS' })
})

test('of too many that say nothing the oldest is cut, and who speaks is let in', async (t) => {
  const taken: string[] = []
  const port = new SharedPort({
    onGrpc: (socket) => {
      taken.push('grpc')
      socket.end('hello')
    },
    others: new Map(),
    undecidedMax: 2,
  })
  t.after(() => port.close())
  const at = await port.listen('127.0.0.1', 0)
  const silent: Socket[] = []
  for (let i = 0; i < 3; i++) {
    const socket = await raw(at, Buffer.alloc(0))
    socket.resume()
    silent.push(socket)
  }
  assert.ok(silent[0] !== undefined)
  await once(silent[0], 'close')
  const speaks = await raw(at, Buffer.from('PRI'))
  const [said] = await once(speaks, 'data')
  assert.equal(String(said), 'hello')
  assert.deepEqual(taken, ['grpc'])
  // The one that spoke took the place of none of the two that were left.
  assert.equal(silent[2]?.destroyed, false)
  speaks.destroy()
})

test('a connection without calls is closed and made again by the next, while feeds go on', async (t) => {
  await using host = await startHost()
  await using wire = await TcpWire.open(() => host.port)
  const keepalive = { everyMs: 30_000, timeoutMs: 10_000, idleMs: 1_000 }
  const channel = await RpcChannel.open(wire.address, systemClock, { keepalive })
  t.after(() => channel.close())
  const agent = await channel.feeds(never)
  const server = await host.accepted()
  server.onBytes(() => {})
  assert.equal(await channel.call('read', 1, { timeoutMs: 5_000 }), 1)
  assert.equal(wire.connections, 2)
  await wire.closed()
  const atAgent = received(agent, 1)
  server.write(encodeFeedMessage(BOOKMARK), () => {})
  assert.deepEqual((await atAgent).map(decodeFromServer), [BOOKMARK])
  assert.equal(await channel.call('read', 2, { timeoutMs: 5_000 }), 2)
  assert.equal(wire.connections, 2)
})
