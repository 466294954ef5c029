/**
 * Where a config entry is found in the API, and the flags that name one.
 */

import { type Arguments, UsageError } from './command.ts'

export function configEntryPath(kind: string, name: string): string {
  return `/v1/config/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`
}

/** @throws UsageError when it is missing or empty */
export function requiredFlag(args: Arguments, name: string): string {
  const text = args.text(name)
  if (text === undefined || text === '') throw new UsageError(`Must specify the -${name} parameter`)
  return text
}
