/**
 * What becomes of what is open when an intention begins to deny it; Fairlead's own, by the intention's metadata.
 *
 * `cut`, the default, ends it at once. `drain` lets requests that are under way end and cuts streams. `ignore` lets
 * both go on. Nothing new is let in, whatever it says.
 */

import type { StringMap } from '../catalog/types.ts'

export const OPEN_CONNECTIONS_KEY = 'fairlead-open-connections'

export type WhenDenied = 'cut' | 'drain' | 'ignore'

const CHOICES: readonly string[] = ['cut', 'drain', 'ignore']

export function whenDenied(meta: StringMap | undefined): WhenDenied {
  const given = meta?.[OPEN_CONNECTIONS_KEY]
  return given === 'drain' || given === 'ignore' ? given : 'cut'
}

/** @returns what is wrong with the metadata */
export function openConnectionsProblem(meta: StringMap): string | undefined {
  const given = meta[OPEN_CONNECTIONS_KEY]
  if (given === undefined || CHOICES.includes(given)) return undefined
  return `Meta "${OPEN_CONNECTIONS_KEY}" must be "cut", "drain" or "ignore"`
}
