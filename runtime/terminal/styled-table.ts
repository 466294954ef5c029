/**
 * Tables in which words are coloured, for terminals; without colour the text is exactly that of table.ts.
 *
 * Colour repeats what the word says and is never the only sign of it.
 */

import { styleText } from 'node:util'
import { formatTable } from './table.ts'

export type Tint = 'good' | 'warning' | 'bad'

const FORMATS = { good: 'green', warning: 'yellow', bad: 'red' } as const

/** @param tintOf the colour of a cell, by its text and column; asked for all rows but the first, the header */
export function formatStyledTable(
  rows: readonly (readonly string[])[],
  tintOf: (cell: string, column: number) => Tint | undefined,
): string {
  // Laid out first: escape sequences have no width.
  const lines = formatTable(rows).split('\n')
  const [header = '', ...body] = lines
  const styled = body.map((line, index) => styleLine(line, rows[index + 1] ?? [], tintOf))
  return [styleText('bold', header, { validateStream: false }), ...styled].join('\n')
}

function styleLine(
  line: string,
  cells: readonly string[],
  tintOf: (cell: string, column: number) => Tint | undefined,
): string {
  let out = ''
  let at = 0
  for (const [column, cell] of cells.entries()) {
    const tint = tintOf(cell, column)
    const found = cell === '' ? -1 : line.indexOf(cell, at)
    if (found === -1) continue
    const text =
      tint === undefined ? cell : styleText(FORMATS[tint], cell, { validateStream: false })
    out += line.slice(at, found) + text
    at = found + cell.length
  }
  return out + line.slice(at)
}
