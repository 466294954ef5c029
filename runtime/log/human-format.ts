/**
 * One log record as a line for people: `2026-01-10T12:00:00.000Z [INFO]  agent.raft: became leader: term=2`.
 *
 * Consul's layout, so that existing filters keep working. Guarantees exactly one line per record: control
 * characters of values are escaped, so no value can forge a line. An error prints
 * its message; its stack is in the JSON form only.
 */

const TAGS: Readonly<Record<string, string>> = {
  trace: '[TRACE]',
  debug: '[DEBUG]',
  info: '[INFO] ',
  warn: '[WARN] ',
  error: '[ERROR]',
}

/** Longest printed value; the JSON form is whole. */
const VALUE_LENGTH_MAX = 2_000

export function formatLogLine(record: Readonly<Record<string, unknown>>): string {
  const {
    '@timestamp': time,
    '@level': level,
    '@module': module,
    '@message': message,
    ...facts
  } = record
  const fields = Object.entries(facts).map(([key, value]) => `${key}=${formatValue(value)}`)
  const head = `${time} ${TAGS[String(level)] ?? '[?]    '} ${module}: ${escapeText(String(message ?? ''))}`
  return fields.length === 0 ? `${head}\n` : `${head}: ${fields.join(' ')}\n`
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return quoteWhenNeeded(value)
  if (isErrorRecord(value)) return quoteWhenNeeded(value.message)
  if (typeof value === 'object' && value !== null) return quoteWhenNeeded(JSON.stringify(value))
  return String(value)
}

function isErrorRecord(value: unknown): value is { readonly message: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    'stack' in value &&
    typeof value.message === 'string'
  )
}

function quoteWhenNeeded(text: string): string {
  const cut = text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text
  return /^[^\s"'=\p{Cc}]+$/u.test(cut) ? cut : `"${escapeText(cut).replace(/"/g, '\\"')}"`
}

/** Newlines and terminal escapes of outside text must not reach a terminal. */
function escapeText(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => {
    return c === '\t' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
