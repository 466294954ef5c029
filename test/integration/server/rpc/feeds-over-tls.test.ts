/**
 * The port of RPC over TLS: long messages of feeds come whole and in order, and what was written before the end arrives before
 * it; what is no TLS, or not in time, disturbs nobody.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import type { ByteStream } from '../../../../runtime/rpc/byte-stream.ts'
import { HEAD_BYTES } from '../../../../runtime/rpc/feed-messages.ts'
import { dialFeeds } from '../../../../runtime/rpc/feed-socket.ts'
import { PIECE_BYTES } from '../../../../runtime/rpc/piece-writer.ts'
import { RpcChannel } from '../../../../runtime/rpc/rpc-channel.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { temporaryFolder } from '../../../e2e/harness/agent.ts'
import { createTestAuthority } from '../../../e2e/harness/certificates.ts'
import { tlsOf } from '../../../e2e/harness/rpc-tls.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'

const SIZES = [1, PIECE_BYTES, PIECE_BYTES + 1, 3, 10 * PIECE_BYTES, 700_001, 5]

/** A message of that many bytes besides its head, which says how many. */
function message(bytes: number): Buffer {
  const whole = Buffer.alloc(HEAD_BYTES + bytes, bytes % 251)
  whole[0] = 1
  whole.writeUInt32BE(bytes, 1)
  return whole
}

test('what only begins like TLS is cut, and so is who does not finish; others are served', async () => {
  const folder = await temporaryFolder()
  const authority = await createTestAuthority(folder)
  const { certFile, keyFile } = await authority.issue('s1', 'server')
  const files = `ca_file = "${authority.caFile}" cert_file = "${certFile}" key_file = "${keyFile}"`
  const tls = await tlsOf(
    `server = true bootstrap_expect = 1 limits { rpc_handshake_timeout = "300ms" } tls { defaults { ${files} verify_outgoing = true } }`,
  )
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: rpcHandlers({ status: async () => 'well' }),
      tls: tls.rpc.incoming,
      log: silentLogger,
      clock: systemClock,
    },
  )
  await host.start()
  try {
    const closings = [
      Buffer.from([0x16]),
      Buffer.from([0x16, 3, 1, 0xff, 0xff, 1]),
      Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200]), Buffer.alloc(200, 7)]),
    ].map(async (bytes) => {
      const socket = connect(host.port, '127.0.0.1')
      socket.on('error', () => {}).resume()
      socket.write(bytes)
      await once(socket, 'close')
    })
    const channel = await RpcChannel.open(`127.0.0.1:${host.port}`, systemClock, {
      tls: tls.rpc.outgoing(),
    })
    assert.equal(await channel.call('status', {}, { timeoutMs: 10_000 }), 'well')
    channel.close()
    await Promise.all(closings)
  } finally {
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test('long messages come whole, in order, and before the end', async () => {
  const folder = await temporaryFolder()
  const authority = await createTestAuthority(folder)
  const { certFile, keyFile } = await authority.issue('s1', 'server')
  const files = `ca_file = "${authority.caFile}" cert_file = "${certFile}" key_file = "${keyFile}"`
  const tls = await tlsOf(
    `server = true bootstrap_expect = 1 tls { defaults { ${files} } internal_rpc { verify_incoming = true verify_outgoing = true verify_server_hostname = true } }`,
  )
  const accepted = Promise.withResolvers<ByteStream>()
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: rpcHandlers({}),
      feeds: (stream) => accepted.resolve(stream),
      tls: tls.rpc.incoming,
      log: silentLogger,
      clock: systemClock,
    },
  )
  await host.start()
  try {
    const never = new AbortController().signal
    const agent = await dialFeeds(`127.0.0.1:${host.port}`, never, tls.rpc.outgoing())
    const received: Buffer[] = []
    const end = Promise.withResolvers<FairleadError | null>()
    const all = Promise.withResolvers<void>()
    agent.onBytes((bytes) => {
      received.push(Buffer.from(bytes))
      if (received.length === SIZES.length) all.resolve()
    })
    agent.onEnd((error) => end.resolve(error))
    const server = await accepted.promise
    const told: number[] = []
    for (const [i, size] of SIZES.entries()) server.write(message(size), () => told.push(i))
    await all.promise
    assert.deepEqual(received, SIZES.map(message))
    assert.deepEqual(told, [...SIZES.keys()])

    // Not waited for: it still goes out, whole, before the reason.
    server.write(message(900_000), () => {})
    server.write(message(2), () => {})
    server.end(new FairleadError('SHUTTING_DOWN', 'The server is shutting down'))
    assert.equal((await end.promise)?.code, 'SHUTTING_DOWN')
    assert.deepEqual(received.slice(SIZES.length), [message(900_000), message(2)])
  } finally {
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  }
})
