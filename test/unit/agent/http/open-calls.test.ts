/**
 * The open calls against a set of them.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { OpenCalls } from '../../../../agent/http/open-calls.ts'

describe('open calls', () => {
  it('are those that were added and not removed', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (steps) => {
        const open = new OpenCalls<{ place: number; readonly name: number }>()
        const model = new Map<number, { place: number; readonly name: number }>()
        for (const name of steps) {
          const known = model.get(name)
          if (known === undefined) {
            const call = { place: 0, name }
            model.set(name, call)
            open.add(call)
          } else {
            model.delete(name)
            open.remove(known)
          }
          assert.equal(open.size, model.size)
          assert.deepEqual(new Set(open.all()), new Set(model.values()))
        }
      }),
    )
  })
})
