/**
 * What comes from the wire before it reaches the store; the API behind is a real one.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { encodeCommand } from '../../../../core/catalog/codec.ts'
import { FairleadError } from '../../../../core/errors.ts'
import type { RpcHandlers } from '../../../../runtime/rpc/rpc-host.ts'
import { serverApiHandlers } from '../../../../server/rpc/server-api-handlers.ts'
import { type RunningServer, startServer } from '../../../integration/server/running-server.ts'
import { set } from '../raft-and-store.ts'

let running: RunningServer
let handlers: RpcHandlers
const never = new AbortController().signal

before(async () => {
  running = await startServer()
  handlers = serverApiHandlers(() => running.server.api)
})
after(() => running[Symbol.asyncDispose]())

const MALFORMED: readonly (readonly [
  Exclude<keyof RpcHandlers, 'saveImage' | 'restoreImage'>,
  unknown,
  RegExp,
])[] = [
  ['read', null, /message/],
  ['read', { name: 'kv.get', request: {}, options: {} }, /kv\.get\.key: expected a text/],
  ['read', { name: 'kv.get', request: { key: 7 }, options: {} }, /kv\.get\.key: expected a text/],
  [
    'read',
    { name: 'kv.get', request: { key: 'a' }, options: { minIndex: -1 } },
    /options\.minIndex/,
  ],
  [
    'read',
    { name: 'kv.get', request: { key: 'a' }, options: { consistency: 'perhaps' } },
    /options\.consistency/,
  ],
  ['read', { name: 'txn.read', request: { ops: [{ type: 'kv' }] }, options: {} }, /txn/],
  ['write', { command: 'text' }, /command: expected bytes/],
  ['write', { command: new Uint8Array([1, 2, 3]) }, /Cannot decode/],
  ['operate', { name: 'raft.configuration', request: {} }, /stale: expected/],
  ['operate', { name: 'raft.remove-peer', request: { id: 3 } }, /expected a text/],
  ['signLeaf', {}, /csrPem: expected a text/],
  ['renewSession', { id: 1 }, /id: expected a text/],
  ['placeNode', { place: { node: 'n', segment: '' } }, /place\.coordinate: expected an object/],
]

for (const [method, request, message] of MALFORMED) {
  test(`${method} refuses ${JSON.stringify(request)}`, async () => {
    await assert.rejects(handlers[method](request, never, ''), { code: 'BAD_REQUEST', message })
  })
}

test('a read or a command of the future is told apart from damage', async () => {
  const future = { name: 'kv.future', request: {}, options: {} }
  await assert.rejects(handlers.read(future, never, ''), { code: 'NOT_SUPPORTED' })
  const command = encodeCommand(set('a', '1'))
  command[0] = 99
  await assert.rejects(handlers.write({ command }, never, ''), { code: 'NOT_SUPPORTED' })
})

test('arbitrary values give a FairleadError or an answer, never anything else', async () => {
  const names = fc.constantFrom('kv.get', 'health.service', 'intention.get', 'txn.read', 'x')
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.record({ name: names, request: fc.jsonValue(), options: fc.constant({}) }),
    fc.record({ command: fc.uint8Array({ maxLength: 40 }) }),
  )
  await fc.assert(
    fc.asyncProperty(anything, async (value) => {
      for (const method of ['read', 'write', 'signLeaf', 'renewSession', 'placeNode'] as const) {
        try {
          await handlers[method](value, never, '')
        } catch (thrown) {
          assert.ok(thrown instanceof FairleadError, `${method}: ${String(thrown)}`)
          assert.notEqual(thrown.code, 'INTERNAL')
        }
      }
    }),
    { numRuns: 200 },
  )
})
