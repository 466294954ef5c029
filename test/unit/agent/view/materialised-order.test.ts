/**
 * The order of a view's items: that of the servers, whatever comes and goes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MaterialisedView } from '../../../../agent/view/materialised.ts'
import type { FeedItem } from '../../../../core/catalog/feed.ts'
import type { VirtualIpRecord } from '../../../../core/catalog/types.ts'

const ids = fc.array(fc.constantFrom('a', 'b', 'ba', 'c', 'd', 'Z', 'é', '10', '9'), {
  maxLength: 6,
})

function items(names: readonly string[], index: number): FeedItem<'virtual-ips'>[] {
  return names.map((id) => ({ id, value: { service: `${id}@${index}` } as VirtualIpRecord }))
}

test('items are in order of their ids, with the values that came last', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom('b', 'c', 'x')),
      fc.array(fc.record({ upserts: ids, deletes: ids, isRead: fc.boolean() }), { maxLength: 12 }),
      (first, changes) => {
        const view = new MaterialisedView<'virtual-ips'>()
        const model = new Map(items(first, 1).map(({ id, value }) => [id, value]))
        view.apply({ kind: 'snapshot', index: 1, items: items(first, 1) }, 'e')
        changes.forEach(({ upserts, deletes, isRead }, i) => {
          const index = i + 2
          const changed = items(upserts, index)
          for (const id of deletes) model.delete(id)
          for (const { id, value } of changed) model.set(id, value)
          view.apply({ kind: 'delta', index, after: index - 1, upserts: changed, deletes }, 'e')
          if (isRead) assert.equal(view.items.size, model.size)
        })
        const expected = [...model].sort(([one], [other]) => (one < other ? -1 : 1))
        assert.deepEqual([...view.items], expected)
        assert.deepEqual([...(view.image()?.items ?? [])], expected)
      },
    ),
  )
})
