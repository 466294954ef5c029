/**
 * Text keys in the order of their UTF-8 bytes, on top of JavaScript's order of UTF-16 code units.
 *
 * The two orders differ in one place: a character outside the basic plane is a pair of surrogates
 * (D800–DFFF), which sorts before U+E000–U+FFFF as code units and after it as bytes. `orderKey` moves
 * both ranges so that plain `<` on its results is byte order; it keeps prefixes and is its own only use:
 * the key stored beside the record stays untouched. Text without such characters is returned as it is.
 */

const NEEDS_SHIFT = /[\ud800-\uffff]/

/** A string whose `<` order is the UTF-8 order of `text`; one to one, and prefixes stay prefixes. */
export function orderKey(text: string): string {
  if (!NEEDS_SHIFT.test(text)) return text
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xd800) out += text[i]
    else if (unit < 0xe000) out += String.fromCharCode(unit + 0x2000)
    else out += String.fromCharCode(unit - 0x800)
  }
  return out
}

/** Three-way comparison in the order of UTF-8 bytes. */
export function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0
  return orderKey(a) < orderKey(b) ? -1 : 1
}

/** Separates the parts of a compound key; names are refused when they contain it. */
export const KEY_SEPARATOR = '\0'

/** Decimal digits of the largest safe integer. */
const INDEX_DIGITS = 16

/** A non-negative safe integer as text that sorts by value. */
export function indexKey(value: number): string {
  return String(value).padStart(INDEX_DIGITS, '0')
}
