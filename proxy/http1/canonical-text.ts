/**
 * Builds the canonical text of a head from its bytes: runs of kept fields are copied as they came.
 *
 * Order, case and duplicates of what is kept stay as the sender wrote them. Reads nothing but names.
 */

import type { HeadParser } from './head-parser.ts'

/**
 * The fields, each with its CRLF, without those whose id is in `cutMask` or whose name is in `drop`.
 *
 * @param drop lower-case names
 */
export function keptFields(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
  cutMask: number,
  drop: ReadonlySet<string> | undefined,
): string {
  // Bit 0 stands for all other fields and is never cut by the mask.
  const mask = cutMask & ~1
  let text = ''
  let runStart = parser.fieldsStart
  for (let i = 0; i < parser.fieldCount; i++) {
    const isCut =
      (mask & (1 << (parser.ids[i] as number))) !== 0 ||
      drop?.has(fieldName(parser, bytes, base, i))
    if (!isCut) continue
    const lineStart = parser.fields[i * 4] as number
    if (lineStart > runStart) text += bytes.toString('latin1', base + runStart, base + lineStart)
    runStart = i + 1 < parser.fieldCount ? (parser.fields[i * 4 + 4] as number) : parser.fieldsEnd
  }
  if (parser.fieldsEnd > runStart) {
    text += bytes.toString('latin1', base + runStart, base + parser.fieldsEnd)
  }
  return text
}

/** Lower case. */
export function fieldName(parser: HeadParser, bytes: Buffer, base: number, index: number): string {
  const from = base + (parser.fields[index * 4] as number)
  const to = base + (parser.fields[index * 4 + 1] as number)
  return bytes.toString('latin1', from, to).toLowerCase()
}

export function fieldValue(parser: HeadParser, bytes: Buffer, base: number, index: number): string {
  const from = base + (parser.fields[index * 4 + 2] as number)
  const to = base + (parser.fields[index * 4 + 3] as number)
  return bytes.toString('latin1', from, to)
}
