/**
 * Tables: aligned columns, nothing that drives the terminal.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { formatPairs, formatTable } from '../../../../runtime/terminal/table.ts'

it('aligns columns with two blanks and leaves none at the end', () => {
  const rows = [
    ['Node', 'Address', 'DC'],
    ['vm-a', '10.0.0.5:8301', 'dc1'],
    ['é', '', 'x'],
  ]
  assert.equal(
    formatTable(rows),
    'Node  Address        DC\nvm-a  10.0.0.5:8301  dc1\né                    x\n',
  )
})

it('aligns the values of pairs', () => {
  assert.equal(
    formatPairs(
      [
        ['Source', 'web'],
        ['Destination', 'db'],
      ],
      ':',
    ),
    'Source:       web\nDestination:  db\n',
  )
})

it('replaces control characters', () => {
  assert.equal(formatTable([['a\u001b[31m\n', 'b']]), 'a�[31m�  b\n')
})
