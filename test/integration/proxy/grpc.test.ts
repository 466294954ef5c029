/**
 * gRPC through two proxies, over the mux and without it, with grpc-js at both ends: all four kinds of call, errors, deadlines,
 * and what the proxy itself answers.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { deny, Mesh, rule } from './mesh-fixture.ts'

const same = (bytes: Buffer): Buffer => bytes
const codec = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const

const unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
  if (call.request.toString() === 'fail') {
    const metadata = new Metadata()
    metadata.set('x-why-bin', Buffer.from([0, 255]))
    done({ code: status.NOT_FOUND, details: 'no such thing: é', metadata })
    return
  }
  if (call.request.toString() === 'late') return
  const trailer = new Metadata()
  trailer.set('x-asked', String(call.metadata.get('x-ask')[0]))
  done(null, Buffer.concat([Buffer.from('re:'), call.request]), trailer)
}
const clientStream: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
  let sum = 0
  call.on('data', (bytes: Buffer) => {
    sum += bytes.length
  })
  call.on('end', () => done(null, Buffer.from(String(sum))))
}
const serverStream: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  for (let i = 0; i < 100; i++) call.write(Buffer.alloc(5000, i))
  call.end()
}
const bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (bytes: Buffer) => call.write(bytes))
  call.on('end', () => call.end())
}

const methods = {
  unary: { path: '/t.T/Unary', requestStream: false, responseStream: false, ...codec },
  clientStream: { path: '/t.T/Client', requestStream: true, responseStream: false, ...codec },
  serverStream: { path: '/t.T/Server', requestStream: false, responseStream: true, ...codec },
  bidi: { path: '/t.T/Bidi', requestStream: true, responseStream: true, ...codec },
}

interface Outcome {
  readonly err: ServiceError | null
  readonly reply: Buffer | undefined
  readonly trailer: Metadata
}

async function ask(client: Client, text: string, deadlineMs = 8000): Promise<Outcome> {
  return await new Promise((resolve) => {
    const metadata = new Metadata()
    metadata.set('x-ask', text)
    let trailer = new Metadata()
    const options = { deadline: Date.now() + deadlineMs }
    const call = client.makeUnaryRequest(
      methods.unary.path,
      same,
      same,
      Buffer.from(text),
      metadata,
      options,
      (err, reply) => setImmediate(() => resolve({ err, reply, trailer })),
    )
    call.on('status', (outcome) => {
      trailer = outcome.metadata
    })
  })
}

async function all(stream: AsyncIterable<unknown>): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return pieces
}

for (const offerMux of [true, false]) {
  describe(`gRPC ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    const server = new Server()
    let mesh: Mesh
    let client: Client

    before(async () => {
      server.addService(methods, { unary, clientStream, serverStream, bidi })
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (err, bound) =>
          err === null ? resolve(bound) : reject(err),
        )
      })
      mesh = await Mesh.start(port, { protocol: 'grpc', offerMux })
      await mesh.configureCaller({
        clusters: mesh.callerSnapshot.clusters.map((each) => ({ ...each, protocol: 'grpc' })),
      })
      client = new Client(`127.0.0.1:${mesh.port}`, credentials.createInsecure())
    })
    after(() => {
      client.close()
      mesh.close()
      server.forceShutdown()
    })

    it('carries unary calls with their metadata, many at once', async () => {
      const texts = Array.from({ length: 50 }, (_, i) => `n${i}`)
      const outcomes = await Promise.all(texts.map((text) => ask(client, text)))
      for (const [i, { err, reply, trailer }] of outcomes.entries()) {
        assert.equal(err, null)
        assert.equal(reply?.toString(), `re:${texts[i]}`)
        assert.deepEqual(trailer.get('x-asked'), [texts[i]])
      }
    })

    it('carries a status, its message and its details', async () => {
      const { err } = await ask(client, 'fail')
      assert.equal(err?.code, status.NOT_FOUND)
      assert.equal(err.details, 'no such thing: é')
      assert.deepEqual(err.metadata.get('x-why-bin'), [Buffer.from([0, 255])])
    })

    it('carries streams of the client, of the server and of both', async () => {
      const sum = await new Promise<string>((resolve, reject) => {
        const call = client.makeClientStreamRequest(
          methods.clientStream.path,
          same,
          same,
          (err, reply) => (err === null ? resolve(String(reply)) : reject(err)),
        )
        for (let i = 0; i < 60; i++) call.write(Buffer.alloc(4000))
        call.end()
      })
      assert.equal(sum, '240000')

      const pieces = await all(
        client.makeServerStreamRequest(methods.serverStream.path, same, same, Buffer.from('x')),
      )
      assert.deepEqual(
        pieces.map((piece) => [piece.length, piece[0]]),
        Array.from({ length: 100 }, (_, i) => [5000, i]),
      )

      const both = client.makeBidiStreamRequest(methods.bidi.path, same, same)
      const iterator = both[Symbol.asyncIterator]()
      for (const text of ['one', 'two', 'three']) {
        both.write(Buffer.from(text))
        const next = await iterator.next()
        assert.equal(String(next.value), text, 'each answer comes before the next question')
      }
      both.end()
      assert.equal((await iterator.next()).done, true)
    })

    it('gives up with the caller', async () => {
      const { err } = await ask(client, 'late', 300)
      assert.equal(err?.code, status.DEADLINE_EXCEEDED)
      assert.equal((await ask(client, 'after')).err, null)
    })

    it('denies in the words of gRPC, by connection and by request', async () => {
      await mesh.setIntentions([deny('web')])
      const { err } = await ask(client, 'x')
      assert.equal(err?.code, status.PERMISSION_DENIED)
      assert.equal(err.details, 'RBAC: access denied')
      const permissions = [
        { action: 'deny' as const, http: { pathExact: methods.unary.path } },
        { action: 'allow' as const, http: { pathPrefix: '/' } },
      ]
      await mesh.setIntentions([rule('web', { action: '', permissions })])
      assert.equal((await ask(client, 'x')).err?.code, status.PERMISSION_DENIED)
      const stream = client.makeServerStreamRequest(
        methods.serverStream.path,
        same,
        same,
        Buffer.of(1),
      )
      assert.equal((await all(stream)).length, 100)
      await mesh.setIntentions([])
      assert.equal((await ask(client, 'x')).err, null)
    })

    it('says UNAVAILABLE when there is no instance', async () => {
      const { clusters } = mesh.callerSnapshot
      await mesh.setEndpoints([])
      const { err } = await ask(client, 'x')
      assert.equal(err?.code, status.UNAVAILABLE)
      assert.equal(err.details, 'no healthy upstream')
      await mesh.configureCaller({ clusters })
      assert.equal((await ask(client, 'x')).err, null)
    })
  })
}
