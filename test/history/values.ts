/**
 * Reading the loosely typed values of history events. Each function throws a `HistoryError` naming the process.
 */

import { HistoryError, type HistoryEvent } from './operations.ts'

export type Scalar = string | number | boolean | null

/** Events without a key speak of the one object there is. */
export function keyOf(event: HistoryEvent): string {
  return event.key ?? ''
}

export function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/** Absent counts as null. */
export function scalar(value: unknown, event: HistoryEvent): Scalar {
  const given = value ?? null
  if (isScalar(given)) return given
  throw wrong(event, 'a string, a number, a boolean or null')
}

export function text(value: unknown, event: HistoryEvent): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw wrong(event, 'a string')
}

export function fields(value: unknown, event: HistoryEvent): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value
  throw wrong(event, 'an object')
}

export function list(value: unknown, event: HistoryEvent): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw wrong(event, 'a list')
}

export function count(value: unknown, event: HistoryEvent): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw wrong(event, 'a non-negative integer')
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(event: HistoryEvent, wanted: string): HistoryError {
  return new HistoryError(
    `"${event.f}" of process "${event.process}" needs ${wanted}, not ${JSON.stringify(event.value)}`,
  )
}
