/**
 * Go duration strings, the form Consul clients write and read (http-api.md section 3).
 *
 * Guarantees: `formatDuration(parseDuration(x))` is the normal form Go prints (90s → 1m30s, 0 → 0s).
 * Values are nanoseconds; exact up to 2^53 ns (104 days), beyond that rounded to the nearest double.
 */

import { goQuote } from './catalog/go-quote.ts'

export const NS_PER_MS = 1_000_000

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const PART = /([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)/y

/**
 * Parses `1h2m3.5s`, `-5ms`, `0`. @returns nanoseconds, or undefined when the text is not a Go duration.
 */
export function parseDuration(text: string): number | undefined {
  let at = 0
  let sign = 1
  if (text[0] === '-' || text[0] === '+') {
    sign = text[0] === '-' ? -1 : 1
    at = 1
  }
  if (text.slice(at) === '0') return 0
  if (at === text.length || text.length > 64) return undefined
  let total = 0
  while (at < text.length) {
    PART.lastIndex = at
    const match = PART.exec(text)
    if (match === null) return undefined
    const whole = match[1] ?? ''
    const fraction = match[2] ?? ''
    if (whole === '' && fraction === '') return undefined
    const unit = UNIT_NS[match[3] ?? '']
    if (unit === undefined) return undefined
    total += Number(whole === '' ? '0' : whole) * unit
    if (fraction !== '') total += Math.round(Number(`0.${fraction}`) * unit)
    at = PART.lastIndex
  }
  return Number.isFinite(total) ? sign * total : undefined
}

const NUMBER = /[0-9]+\.?[0-9]*|\.[0-9]+/y
const UNIT = /[^0-9.]*/y

/** What Go says about a text that is no duration. */
export function durationFault(text: string): string {
  const quoted = goQuote(text)
  let at = text.startsWith('-') || text.startsWith('+') ? 1 : 0
  while (at < text.length) {
    NUMBER.lastIndex = at
    if (NUMBER.exec(text) === null) break
    UNIT.lastIndex = NUMBER.lastIndex
    const unit = UNIT.exec(text)?.[0] ?? ''
    if (unit === '') return `time: missing unit in duration ${quoted}`
    if (!Object.hasOwn(UNIT_NS, unit)) {
      return `time: unknown unit ${goQuote(unit)} in duration ${quoted}`
    }
    at = UNIT.lastIndex
  }
  return `time: invalid duration ${quoted}`
}

/** Milliseconds of a Go duration string, or undefined when it is not one. */
export function parseDurationMs(text: string): number | undefined {
  const ns = parseDuration(text)
  return ns === undefined ? undefined : ns / NS_PER_MS
}

/** Prints nanoseconds the way Go does. */
export function formatDuration(ns: number): string {
  if (ns === 0) return '0s'
  const sign = ns < 0 ? '-' : ''
  const abs = Math.abs(ns)
  if (abs < 1e3) return `${sign}${abs}ns`
  if (abs < 1e6) return `${sign}${trim(abs / 1e3)}µs`
  if (abs < 1e9) return `${sign}${trim(abs / 1e6)}ms`
  const hours = Math.floor(abs / 3600e9)
  const minutes = Math.floor((abs % 3600e9) / 60e9)
  const seconds = `${trim((abs % 60e9) / 1e9)}s`
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`
}

export function formatDurationMs(ms: number): string {
  return formatDuration(Math.round(ms * NS_PER_MS))
}

function trim(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '')
}
