/**
 * Indents compact JSON text by four spaces, as `?pretty` and dev-mode agents do (http-api.md section 3).
 *
 * The input is what the encoders of this folder wrote: valid and without blanks. Empty lists and objects
 * stay on one line. Cost is linear; text inside strings is copied in whole pieces.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Line starts by depth, grown as needed; depth is bounded by the decoders. */
const LINES: string[] = []

function line(depth: number): string {
  for (let i = LINES.length; i <= depth; i++) LINES.push(`\n${'    '.repeat(i)}`)
  return LINES[depth] ?? '\n'
}

export function indentJson(compact: string): string {
  let out = ''
  let depth = 0
  let from = 0
  for (let i = 0; i < compact.length; i++) {
    switch (compact.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(compact, i)
        break
      case OPEN_LIST:
      case OPEN_OBJECT: {
        const next = compact.charCodeAt(i + 1)
        if (next === CLOSE_LIST || next === CLOSE_OBJECT) {
          i++
          break
        }
        depth++
        out += compact.slice(from, i + 1) + line(depth)
        from = i + 1
        break
      }
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--
        out += compact.slice(from, i) + line(depth)
        from = i
        break
      case COMMA:
        out += compact.slice(from, i + 1) + line(depth)
        from = i + 1
        break
      case COLON:
        out += `${compact.slice(from, i)}: `
        from = i + 1
        break
      default:
    }
  }
  return out + compact.slice(from)
}

/** Position of the closing quote of the string that opens at `at`. */
function endOfString(compact: string, at: number): number {
  for (let end = compact.indexOf('"', at + 1); end !== -1; end = compact.indexOf('"', end + 1)) {
    let slashes = 0
    while (compact.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return end
  }
  return compact.length
}
