/**
 * Rules of proxy-defaults (mesh.md 7.2).
 */

import type { JsonObject } from '../catalog/types.ts'
import { flagAt, objectAt, textAt } from './read-field.ts'
import { proxySettingsProblem } from './service-defaults.ts'

const LOG_TYPES: ReadonlySet<string> = new Set(['', 'stdout', 'stderr', 'file'])
const FAILOVER_MODES: ReadonlySet<string> = new Set(['', 'sequential', 'order-by-locality'])
const LOCALITY_MODES: ReadonlySet<string> = new Set(['', 'none', 'failover'])

export function proxyDefaultsProblem(body: JsonObject): string | undefined {
  return (
    proxySettingsProblem(body) ??
    accessLogsProblem(objectAt(body, 'AccessLogs')) ??
    failoverPolicyProblem(objectAt(body, 'FailoverPolicy')) ??
    localityProblem(objectAt(body, 'PrioritizeByLocality'))
  )
}

function accessLogsProblem(logs: JsonObject | undefined): string | undefined {
  if (logs === undefined) return undefined
  const type = textAt(logs, 'Type')
  if (!LOG_TYPES.has(type)) return `invalid access log type: ${type}`
  const path = textAt(logs, 'Path')
  if (type === 'file' && path === '') {
    return 'path must be specified when using file type access logs'
  }
  if (type !== 'file' && path !== '') return 'path is only valid for file type access logs'
  const format = textAt(logs, 'JSONFormat')
  if (format !== '' && textAt(logs, 'TextFormat') !== '') {
    return 'cannot specify both access log JSONFormat and TextFormat'
  }
  if (!flagAt(logs, 'Enabled') || format === '') return undefined
  try {
    JSON.parse(format)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `invalid access log json for JSON format: ${reason}`
  }
}

export function failoverPolicyProblem(policy: JsonObject | undefined): string | undefined {
  if (FAILOVER_MODES.has(textAt(policy, 'Mode'))) return undefined
  return "Failover-policy mode must be one of '', 'sequential', or 'order-by-locality'"
}

export function localityProblem(locality: JsonObject | undefined): string | undefined {
  if (LOCALITY_MODES.has(textAt(locality, 'Mode'))) return undefined
  return "Prioritize-by-locality mode must be one of '', 'none', or 'failover'"
}
