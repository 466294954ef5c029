/**
 * Text in double quotes as Go's `%q` prints it: the form of every name inside Consul's error texts.
 *
 * Control characters are escaped, everything printable (also outside ASCII) is kept.
 */

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

export function goQuote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  let out = '"'
  for (const char of text) out += SHORT[char] ?? escapeControl(char)
  return `${out}"`
}

function escapeControl(char: string): string {
  const code = char.codePointAt(0) as number
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code >= 0x80 && code < 0xa0) return `\\u${code.toString(16).padStart(4, '0')}`
  return char
}
