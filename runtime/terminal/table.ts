/**
 * Plain tables and aligned lists for terminals: columns separated by at least two blanks, left aligned.
 *
 * Width counts code points, which is right for names and addresses. Control characters of outside text are
 * replaced, so that no value can drive the terminal.
 */

const GAP = '  '

export function formatTable(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of clean) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell))
  }
  return clean
    .map(
      (row) =>
        `${row
          .map((cell, i) => pad(cell, widths[i] ?? 0))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join('')
}

/** `Name:   value` lines, the values aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[], separator = ''): string {
  return formatTable(pairs.map(([name, value]) => [`${name}${separator}`, value]))
}

export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '�')
}

function pad(text: string, length: number): string {
  return text + ' '.repeat(Math.max(0, length - width(text)))
}

function width(text: string): number {
  return [...text].length
}
