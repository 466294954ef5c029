/**
 * gRPC through two proxies, over the mux and without it, with grpc-js at both ends: all four kinds of call, errors, deadlines,
 * and what the proxy itself answers.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Client, credentials, status } from '@grpc/grpc-js'
import { ask, type GrpcService, methods, same, startGrpcService } from './grpc-peers.ts'
import { deny, Mesh, rule } from './mesh-fixture.ts'

async function all(stream: AsyncIterable<unknown>): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return pieces
}

for (const offerMux of [true, false]) {
  describe(`gRPC ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let service: GrpcService
    let mesh: Mesh
    let client: Client

    before(async () => {
      service = await startGrpcService()
      mesh = await Mesh.start(service.port, { protocol: 'grpc', offerMux })
      await mesh.configureCaller({
        clusters: mesh.callerSnapshot.clusters.map((each) => ({ ...each, protocol: 'grpc' })),
      })
      client = new Client(`127.0.0.1:${mesh.port}`, credentials.createInsecure())
    })
    after(() => {
      client.close()
      mesh.close()
      service.close()
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

    it('adds ids and keeps certificates to itself', async () => {
      const { trailer } = await ask(client, 'x')
      const [got] = trailer.get('x-got')
      assert.equal(got, 'user-agent,x-ask,x-forwarded-proto,x-request-id')
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
