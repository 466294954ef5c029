/**
 * Rules of service-defaults (mesh.md 7.1) and of the settings it shares with proxy-defaults (2.3).
 */

import type { JsonObject } from '../catalog/types.ts'
import { ipFamily } from '../config/ip-address.ts'
import { adaptiveConcurrencyProblem } from './adaptive-concurrency.ts'
import { rateLimitsProblem } from './rate-limits.ts'
import { hasField, listAt, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'
import { sizeLimitsProblem } from './size-limits.ts'
import { upstreamProblem } from './upstream-config.ts'

const PROTOCOLS: ReadonlySet<string> = new Set(['', 'tcp', 'http', 'http2', 'grpc'])
const BALANCES: ReadonlySet<string> = new Set(['', 'exact_balance'])
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/i
const PORT_MAX = 65_535

export function serviceDefaultsProblem(body: JsonObject): string | undefined {
  const protocol = textAt(body, 'Protocol')
  if (!PROTOCOLS.has(protocol)) return `invalid value for protocol: ${protocol}`
  const balance = textAt(body, 'BalanceInboundConnections')
  if (!BALANCES.has(balance)) return `invalid value for balance_inbound_connections: ${balance}`
  if (hasField(body, 'Destination') && hasField(body, 'UpstreamConfig')) {
    return 'UpstreamConfig and Destination are mutually exclusive for service defaults'
  }
  return (
    proxySettingsProblem(body) ??
    limitsProblem(body) ??
    rateLimitsProblem(body) ??
    adaptiveConcurrencyProblem(body) ??
    sizeLimitsProblem(body) ??
    upstreamConfigProblem(objectAt(body, 'UpstreamConfig')) ??
    destinationProblem(objectAt(body, 'Destination'))
  )
}

function limitsProblem(body: JsonObject): string | undefined {
  for (const key of [
    'MaxInboundConnections',
    'LocalConnectTimeoutMs',
    'LocalRequestTimeoutMs',
  ] as const) {
    if (numberAt(body, key) < 0) return `${key} cannot be negative`
  }
  return undefined
}

const MODES: ReadonlySet<string> = new Set(['', 'transparent', 'direct'])
const GATEWAY_MODES: ReadonlySet<string> = new Set(['', 'none', 'local', 'remote'])
const MUTUAL_TLS_MODES: ReadonlySet<string> = new Set(['', 'strict', 'permissive'])

/** Mode, MutualTLSMode, MeshGateway and Expose. */
export function proxySettingsProblem(body: JsonObject): string | undefined {
  const mode = textAt(body, 'Mode')
  if (!MODES.has(mode)) return `invalid proxy mode: ${mode}`
  const mutual = textAt(body, 'MutualTLSMode')
  if (!MUTUAL_TLS_MODES.has(mutual)) return `invalid mutual TLS mode: ${mutual}`
  const gateway = textAt(objectAt(body, 'MeshGateway'), 'Mode')
  if (!GATEWAY_MODES.has(gateway)) return `invalid mesh gateway mode: ${gateway}`
  for (const [i, path] of objectsIn(objectAt(body, 'Expose'), 'Paths').entries()) {
    if (!textAt(path, 'Path').startsWith('/')) {
      return `Expose.Paths[${i}].Path must start with "/", not "${textAt(path, 'Path')}"`
    }
    const protocol = textAt(path, 'Protocol')
    if (!['', 'http', 'http2'].includes(protocol)) {
      return `Expose.Paths[${i}].Protocol must be "http" or "http2", not "${protocol}"`
    }
    for (const key of ['ListenerPort', 'LocalPathPort']) {
      const port = numberAt(path, key)
      if (port < 0 || port > PORT_MAX) return `Expose.Paths[${i}].${key} is no port: ${port}`
    }
  }
  return undefined
}

function upstreamConfigProblem(config: JsonObject | undefined): string | undefined {
  const defaults = objectAt(config, 'Defaults')
  const inDefaults = defaults === undefined ? undefined : upstreamProblem(defaults, 'defaults')
  if (inDefaults !== undefined) return `error in upstream defaults: ${inDefaults}`
  for (const override of objectsIn(config, 'Overrides')) {
    const problem = upstreamProblem(override, 'override')
    if (problem !== undefined) {
      return `error in upstream override for ${textAt(override, 'Name')}: ${problem}`
    }
  }
  return undefined
}

function destinationProblem(destination: JsonObject | undefined): string | undefined {
  if (destination === undefined) return undefined
  const addresses = listAt(destination, 'Addresses')
  if (addresses.length === 0) return 'Destination must contain at least one valid address'
  const seen = new Set<string>()
  for (const given of addresses) {
    const address = typeof given === 'string' ? given : ''
    if (seen.has(address)) return `Duplicate address '${address}' is not allowed`
    seen.add(address)
    const isValid = ipFamily(address) !== undefined || HOSTNAME.test(address)
    if (!isValid) return `Destination address '${address}' is invalid: expected an IP or a DNS name`
  }
  const port = numberAt(destination, 'Port')
  return port >= 1 && port <= PORT_MAX ? undefined : `Invalid Port number ${port}`
}
