/**
 * The table of exchanges against a Map.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { ExchangeTable } from '../../../../proxy/exchange/exchange-table.ts'

it('answers like a Map through any insertions and deletions', () => {
  const step = fc.tuple(fc.constantFrom('set', 'delete', 'get'), fc.integer({ min: 1, max: 300 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new ExchangeTable<string>()
      const model = new Map<number, string>()
      for (const [what, id] of steps) {
        if (what === 'set' && !model.has(id)) {
          table.set(id, `v${id}`)
          model.set(id, `v${id}`)
        } else if (what === 'delete') {
          table.delete(id)
          model.delete(id)
        }
        assert.equal(table.get(id), model.get(id))
        assert.equal(table.size, model.size)
      }
      assert.deepEqual(table.values().sort(), [...model.values()].sort())
      for (let id = 1; id <= 300; id++) assert.equal(table.get(id), model.get(id))
    }),
  )
})

it('keeps ids that fall on the same place apart', () => {
  const table = new ExchangeTable<number>()
  for (const id of [64, 128, 192, 256, 1]) table.set(id, id)
  table.delete(128)
  for (const id of [64, 192, 256, 1]) assert.equal(table.get(id), id)
  table.clear()
  assert.equal(table.get(64), undefined)
})
