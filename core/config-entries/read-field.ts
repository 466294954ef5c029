/**
 * Fields of a config entry's body: what is absent or of another type reads as its zero value.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { parseDuration } from '../duration.ts'

export function textAt(body: JsonObject | undefined, key: string): string {
  const value = body?.[key]
  return typeof value === 'string' ? value : ''
}

export function hasField(body: JsonObject | undefined, key: string): boolean {
  const value = body?.[key]
  return value !== undefined && value !== null
}

export function flagAt(body: JsonObject | undefined, key: string): boolean {
  return body?.[key] === true
}

export function numberAt(body: JsonObject | undefined, key: string): number {
  const value = body?.[key]
  return typeof value === 'number' ? value : 0
}

/** @returns nanoseconds; 0 when absent or no duration */
export function durationAt(body: JsonObject | undefined, key: string): number {
  const value = body?.[key]
  if (typeof value === 'number') return value
  return typeof value === 'string' ? (parseDuration(value) ?? 0) : 0
}

export function objectAt(body: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = body?.[key]
  return isObject(value) ? value : undefined
}

export function listAt(body: JsonObject | undefined, key: string): readonly Json[] {
  const value = body?.[key]
  return Array.isArray(value) ? value : []
}

/** The objects of a list. */
export function objectsIn(body: JsonObject | undefined, key: string): readonly JsonObject[] {
  return listAt(body, key).filter(isObject)
}

/** The objects of a map, with their keys. */
export function objectsUnder(
  body: JsonObject | undefined,
  key: string,
): readonly (readonly [string, JsonObject])[] {
  const found: (readonly [string, JsonObject])[] = []
  for (const [name, value] of Object.entries(objectAt(body, key) ?? {})) {
    if (isObject(value)) found.push([name, value])
  }
  return found
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A map of texts; values of other types are left out. */
export function textsAt(
  body: JsonObject | undefined,
  key: string,
): Readonly<Record<string, string>> {
  const pairs = Object.entries(objectAt(body, key) ?? {})
  return Object.fromEntries(
    pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}
