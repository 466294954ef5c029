/**
 * Coloured tables are the plain ones with colour, column by column.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { formatStyledTable } from '../../../../runtime/terminal/styled-table.ts'
import { formatTable } from '../../../../runtime/terminal/table.ts'

it('colours the cells that are asked for', () => {
  const rows = [
    ['Node', 'Status'],
    ['alive', 'alive'],
    ['b', 'failed'],
  ]
  const text = formatStyledTable(rows, (cell, column) => {
    if (column !== 1) return undefined
    return cell === 'alive' ? 'good' : 'bad'
  })
  assert.deepEqual(text.split('\n'), [
    '\u001b[1mNode   Status\u001b[22m',
    'alive  \u001b[32malive\u001b[39m',
    'b      \u001b[31mfailed\u001b[39m',
    '',
  ])
})

it('says the same as the table without colour', () => {
  const cell = fc.stringMatching(/^[a-z ]{0,6}$/)
  const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 3 }), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(rows, (given) => {
      assert.equal(
        stripVTControlCharacters(formatStyledTable(given, () => 'warning')),
        formatTable(given),
      )
    }),
  )
})
