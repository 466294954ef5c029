/**
 * Request paths as Go's request router treats them: cleaned by redirect, then percent-decoded (http-api.md 1.2).
 *
 * Cleaning works on the escaped form, so that `%2F%2F` in a KV key survives.
 */

const ESCAPE = /%([0-9A-Fa-f]{2})?/g

/**
 * Decodes percent escapes.
 *
 * @param onInvalidUtf8 'reject' answers undefined for bytes that are no UTF-8; 'replace' puts U+FFFD
 * @returns undefined also for a bad escape
 */
export function decodePercent(
  escaped: string,
  onInvalidUtf8: 'reject' | 'replace',
): string | undefined {
  if (!escaped.includes('%')) return escaped
  try {
    return decodeURIComponent(escaped)
  } catch {
    if (onInvalidUtf8 === 'reject') return undefined
    return decodeBytes(escaped)
  }
}

function decodeBytes(escaped: string): string | undefined {
  const parts: Buffer[] = []
  let from = 0
  for (const match of escaped.matchAll(ESCAPE)) {
    if (match[1] === undefined) return undefined
    parts.push(Buffer.from(escaped.slice(from, match.index)), Buffer.from(match[1], 'hex'))
    from = match.index + match[0].length
  }
  parts.push(Buffer.from(escaped.slice(from)))
  return Buffer.concat(parts).toString('utf8')
}

/** The path without empty, `.` and `..` segments; a trailing slash stays. Same text when already clean. */
export function cleanPath(path: string): string {
  if (!path.includes('//') && !path.includes('/.')) return path
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') kept.pop()
    else kept.push(segment)
  }
  const isFolder = /\/\.{0,2}$/.test(path)
  const cleaned = `/${kept.join('/')}`
  return isFolder && cleaned !== '/' ? `${cleaned}/` : cleaned
}

const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
const PLAIN = /^[\x20-\x7e]*$/

/** Every character of the decoded path is a letter, mark, number, sign or blank. */
export function isPrintable(path: string): boolean {
  return PLAIN.test(path) || !UNPRINTABLE.test(path)
}
