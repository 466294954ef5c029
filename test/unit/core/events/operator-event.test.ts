/**
 * Events of operators: their bytes, whom they are for, and the index that clients block on.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  checkOperatorEvent,
  decodeOperatorEvent,
  encodeOperatorEvent,
  indexOfEvent,
  isFor,
  type OperatorEvent,
} from '../../../../core/events/operator-event.ts'

const EVENT: OperatorEvent = {
  id: 'b54fe110-7af5-cafc-d1fb-afc8ba432b1c',
  name: 'deploy',
  payload: new Uint8Array(0),
  nodeFilter: '',
  serviceFilter: '',
  tagFilter: '',
  time: 0,
}
const WEB = { node: 'web-1', services: [{ name: 'web', tags: ['v2', 'canary'] }] }

test('what is encoded decodes to itself', () => {
  const filter = fc.string({ maxLength: 30 })
  const event = fc.record({
    id: fc.uuid(),
    name: fc.stringMatching(/^[a-z:]{1,30}$/),
    payload: fc.uint8Array({ maxLength: 200 }),
    nodeFilter: filter,
    serviceFilter: filter,
    tagFilter: filter,
    time: fc.nat(),
  })
  fc.assert(
    fc.property(event, (one) => {
      assert.deepEqual(decodeOperatorEvent({ ...encodeOperatorEvent(one), time: one.time }), {
        ...one,
      })
    }),
  )
})

test('other events, later versions and any bytes decode to nothing', () => {
  const { name, payload } = encodeOperatorEvent(EVENT)
  assert.equal(decodeOperatorEvent({ name: 'consul:new-leader', payload, time: 1 }), null)
  assert.equal(decodeOperatorEvent({ name: 'consul:event:', payload, time: 1 }), null)
  const later = payload.slice()
  later[0] = 2
  assert.equal(decodeOperatorEvent({ name, payload: later, time: 1 }), null)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      decodeOperatorEvent({ name, payload: bytes, time: 1 })
    }),
  )
  for (let end = 0; end < payload.length; end++) {
    assert.equal(decodeOperatorEvent({ name, payload: payload.slice(0, end), time: 1 }), null)
  }
})

test('filters select by node, by service, and by a tag of that service', () => {
  const cases: readonly (readonly [Partial<OperatorEvent>, boolean])[] = [
    [{}, true],
    [{ nodeFilter: '^web-' }, true],
    [{ nodeFilter: '^db-' }, false],
    [{ serviceFilter: 'we' }, true],
    [{ serviceFilter: '^api$' }, false],
    [{ serviceFilter: 'web', tagFilter: '^can' }, true],
    [{ serviceFilter: 'web', tagFilter: '^v1$' }, false],
    [{ nodeFilter: 'web', serviceFilter: 'db' }, false],
    [{ nodeFilter: '(' }, false],
  ]
  for (const [filters, expected] of cases) {
    assert.equal(isFor({ ...EVENT, ...filters }, WEB), expected, JSON.stringify(filters))
  }
  const two = {
    node: 'n',
    services: [
      { name: 'api', tags: ['v2'] },
      { name: 'web', tags: [] },
    ],
  }
  assert.equal(isFor({ ...EVENT, serviceFilter: 'web', tagFilter: 'v2' }, two), false)
})

test('what nobody could receive is refused with the field that is wrong', () => {
  const refused = (change: Partial<OperatorEvent>, code: string, message: RegExp): void => {
    assert.throws(() => checkOperatorEvent({ ...EVENT, ...change }), { code, message })
  }
  checkOperatorEvent({ ...EVENT, nodeFilter: 'a|b', serviceFilter: '.*', tagFilter: 'x' })
  refused({ name: '' }, 'BAD_REQUEST', /^Missing name$/)
  refused({ name: 'a\u0007' }, 'REJECTED', /^Invalid event name/)
  refused({ tagFilter: 'x' }, 'REJECTED', /^Cannot provide tag filter without service filter$/)
  refused({ nodeFilter: '(' }, 'REJECTED', /^Invalid node filter: /)
  refused({ serviceFilter: '[' }, 'REJECTED', /^Invalid service filter: /)
  refused({ serviceFilter: 'a', tagFilter: '*' }, 'REJECTED', /^Invalid tag filter: /)
})

test('the index is the two halves of the id, exclusive or, with all 64 bits', () => {
  assert.equal(indexOfEvent(EVENT.id), 0xb54fe1107af5cafcn ^ 0xd1fbafc8ba432b1cn)
  assert.equal(indexOfEvent('nonsense'), 0n)
})
