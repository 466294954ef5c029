/**
 * Character classes of HTTP/1 as 256-entry tables, and comparisons on raw bytes (RFC 9110 5.6.2, 5.5).
 *
 * A table look-up per byte is the whole cost of strictness on the fast path.
 */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

/** 1 for bytes of a token: method and field names. */
export const IS_TOKEN: Uint8Array = tableOf((c) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(c)),
)

/** 1 for bytes of a field value or reason phrase: HTAB, SP, VCHAR, obs-text; no CR, LF, NUL, other controls. */
export const IS_FIELD_VALUE: Uint8Array = tableOf((c) => c === TAB || (c >= SPACE && c !== 0x7f))

/**
 * For bytes of a request target: 0 refused, 1 plain, 2 a byte that may ask for normalisation (`%`, `\`),
 * 3 a dot, which asks for it after a slash.
 */
export const TARGET_CLASS: Uint8Array = new Uint8Array(256)
for (let c = 0x21; c < 0x7f; c++) TARGET_CLASS[c] = 1
TARGET_CLASS[0x23] = 0 // '#': a fragment is never sent
TARGET_CLASS[0x25] = 2
TARGET_CLASS[0x5c] = 2
TARGET_CLASS[0x2e] = 3

/** 1 for bytes of a host with port (RFC 3986 3.2.2), without user information. */
export const IS_HOST: Uint8Array = tableOf((c) =>
  /[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]/.test(String.fromCharCode(c)),
)

/** Value of a hexadecimal digit, 255 for anything else. */
export const HEX_VALUE: Uint8Array = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  HEX_VALUE[digit.toString(16).charCodeAt(0)] = digit
  HEX_VALUE[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** Whether `bytes[from, to)` is `lower` (ASCII, lower case) in any case. */
export function equalsIgnoreCase(
  bytes: Uint8Array,
  from: number,
  to: number,
  lower: string,
): boolean {
  if (to - from !== lower.length) return false
  for (let i = 0; i < lower.length; i++) {
    const wanted = lower.charCodeAt(i)
    const byte = bytes[from + i] as number
    // Folding with 0x20 is only right for letters; '-' is the one other character of our names.
    if ((byte | 0x20) !== wanted || (wanted === 0x2d && byte !== 0x2d)) return false
  }
  return true
}

function tableOf(test: (code: number) => boolean): Uint8Array {
  const table = new Uint8Array(256)
  for (let code = 0; code < 256; code++) table[code] = test(code) ? 1 : 0
  return table
}
