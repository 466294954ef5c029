/**
 * Settings of a sidecar that our proxy does not obey, by name: what nobody is told of looks as if it held. Pure.
 *
 * `balance_inbound_connections` and `balance_outbound_connections` are not among them: they spread connections over
 * threads, of which a proxy has one, so both values mean the same.
 */

import type { Json, JsonObject, ServiceDefinition } from '../catalog/types.ts'
import { TELEMETRY_KEYS } from './telemetry-settings.ts'

/** Keys of a sidecar's configuration that are obeyed, or that mean nothing to one process. */
const OBEYED: ReadonlySet<string> = new Set([
  'protocol',
  'bind_address',
  'bind_port',
  'local_connect_timeout_ms',
  'local_request_timeout_ms',
  'max_inbound_connections',
  'balance_inbound_connections',
  ...TELEMETRY_KEYS,
])

const UPSTREAM_OBEYED: ReadonlySet<string> = new Set([
  'protocol',
  'connect_timeout_ms',
  'balance_outbound_connections',
  'limits',
  'passive_health_check',
])

/** @param service with its central configuration. @returns sorted; empty for what has no proxy */
export function unsupportedSettings(service: ServiceDefinition): readonly string[] {
  const { proxy } = service
  if (proxy === undefined) return []
  const found = unknownKeys('Config', proxy.config, OBEYED)
  if (proxy.mode === 'transparent') found.push('Mode transparent')
  if (isGateway(proxy.meshGatewayMode)) found.push(`MeshGateway.Mode ${proxy.meshGatewayMode}`)
  if (proxy.exposeChecks) found.push('Expose.Checks')
  if (proxy.exposePaths.length > 0) found.push('Expose.Paths')
  for (const { destinationName, config, meshGatewayMode } of proxy.upstreams) {
    const prefix = `Upstreams[${destinationName}]`
    found.push(...unknownKeys(`${prefix}.Config`, config, UPSTREAM_OBEYED))
    if (isGateway(meshGatewayMode) && meshGatewayMode !== proxy.meshGatewayMode) {
      found.push(`${prefix}.MeshGateway.Mode ${meshGatewayMode}`)
    }
  }
  return found.sort()
}

function unknownKeys(
  prefix: string,
  config: JsonObject | null,
  obeyed: ReadonlySet<string>,
): string[] {
  return Object.entries(config ?? {})
    .filter(([key, value]) => !obeyed.has(key) && !isEmpty(value))
    .map(([key]) => `${prefix}.${key}`)
}

function isEmpty(value: Json | undefined): boolean {
  return value === undefined || value === null || value === ''
}

function isGateway(mode: string): boolean {
  return mode !== '' && mode !== 'none'
}
