/**
 * Which kind of check a spec is: the first set type field decides (http-api.md 10.2).
 *
 * The word is the `Type` of the check in every answer. `host` is fairlead's own.
 */

import type { CheckSpec } from './types.ts'

export type CheckType =
  | 'grpc'
  | 'http'
  | 'ttl'
  | 'tcp'
  | 'udp'
  | 'alias'
  | 'docker'
  | 'script'
  | 'h2ping'
  | 'os_service'
  | 'host'

/** @returns '' for a spec without any type field, which registration refuses */
export function checkTypeOf(spec: CheckSpec): CheckType | '' {
  if (spec.grpc !== undefined) return 'grpc'
  if (spec.http !== undefined) return 'http'
  if (spec.ttlMs !== undefined) return 'ttl'
  if (spec.tcp !== undefined) return 'tcp'
  if (spec.udp !== undefined) return 'udp'
  if (spec.alias !== undefined) return 'alias'
  if (spec.docker !== undefined) return 'docker'
  if (spec.script !== undefined) return 'script'
  if (spec.h2ping !== undefined) return 'h2ping'
  if (spec.osService !== undefined) return 'os_service'
  return spec.host === undefined ? '' : 'host'
}
