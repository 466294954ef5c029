/**
 * Rules of ingress-gateway (mesh.md 7.10).
 */

import type { JsonObject } from '../catalog/types.ts'
import { isHttpLike } from '../chain/types.ts'
import { flagAt, listAt, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'
import { tlsRangeProblem } from './tls-range.ts'
import { connectionLimitsProblem, passiveHealthCheckProblem } from './upstream-config.ts'

const WILDCARD = '*'
const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i
const HOST_LENGTH_MAX = 253
const PORT_MAX = 65_535

export function ingressGatewayProblem(body: JsonObject): string | undefined {
  const tls = objectAt(body, 'TLS')
  const defaults = objectAt(body, 'Defaults')
  const problem =
    tlsRangeProblem(tls) ??
    sdsProblem(tls, '') ??
    connectionLimitsProblem(defaults) ??
    passiveHealthCheckProblem(objectAt(defaults, 'PassiveHealthCheck'))
  if (problem !== undefined) return problem
  const ports = new Set<number>()
  for (const listener of objectsIn(body, 'Listeners')) {
    const port = numberAt(listener, 'Port')
    if (port < 1 || port > PORT_MAX) return `listener port must be 1 to ${PORT_MAX}, not ${port}`
    if (ports.has(port)) return `port ${port} declared on two listeners`
    ports.add(port)
    const found = listenerProblem(listener, port, flagAt(tls, 'Enabled'))
    if (found !== undefined) return found
  }
  return undefined
}

function listenerProblem(listener: JsonObject, port: number, hasTls: boolean): string | undefined {
  const protocol = textAt(listener, 'Protocol').toLowerCase() || 'tcp'
  if (protocol !== 'tcp' && !isHttpLike(protocol)) {
    return `protocol must be 'tcp', 'http', 'http2', or 'grpc'. '${protocol}' is an unsupported protocol`
  }
  const where = `(listener on port ${port})`
  const services = objectsIn(listener, 'Services')
  if (services.length === 0) return `No service declared for listener with port ${port}`
  if (services.length > 1 && protocol === 'tcp') {
    return `Multiple services per listener are only supported for L7 protocols, 'http', 'grpc' and 'http2' ${where}`
  }
  const tls = objectAt(listener, 'TLS')
  const isTls = hasTls || flagAt(tls, 'Enabled')
  const problem = tlsRangeProblem(tls) ?? sdsProblem(tls, ` ${where}`)
  if (problem !== undefined) return problem
  const names = new Set<string>()
  const hosts = new Set<string>()
  for (const service of services) {
    const found = serviceProblem(service, { protocol, where, isTls })
    if (found !== undefined) return found
    const name = textAt(service, 'Name')
    if (names.has(name)) return `Service ${name} cannot be added multiple times ${where}`
    names.add(name)
    for (const host of listAt(service, 'Hosts')) {
      if (hosts.has(String(host))) return `Hosts must be unique within a specific listener ${where}`
      hosts.add(String(host))
    }
  }
  return undefined
}

function serviceProblem(
  service: JsonObject,
  { protocol, where, isTls }: { protocol: string; where: string; isTls: boolean },
): string | undefined {
  const name = textAt(service, 'Name')
  const hosts = listAt(service, 'Hosts')
  if (name === '') return `Service name cannot be blank ${where}`
  if (name === WILDCARD && protocol !== 'http') {
    return `Wildcard service name is only valid for protocol = 'http' ${where}`
  }
  if (name === WILDCARD && hosts.length > 0) {
    return `Associating hosts to a wildcard service is not supported ${where}`
  }
  if (hosts.length > 0 && protocol === 'tcp') {
    return `Associating hosts to a service is not supported for the tcp protocol ${where}`
  }
  for (const host of hosts) {
    const problem = hostProblem(String(host), isTls)
    if (problem !== undefined) return problem
  }
  return (
    sdsProblem(objectAt(service, 'TLS'), ` ${where}`) ??
    connectionLimitsProblem(service) ??
    passiveHealthCheckProblem(objectAt(service, 'PassiveHealthCheck'))
  )
}

function hostProblem(host: string, isTls: boolean): string | undefined {
  if (host === WILDCARD) {
    if (!isTls) return undefined
    return "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a DNSSAN"
  }
  const bare = host.startsWith('*.') ? host.slice(2) : host
  if (bare.includes('*')) {
    return `Host "${host}" is not valid, a wildcard specifier is only allowed as the leftmost label`
  }
  const isName =
    bare.length <= HOST_LENGTH_MAX && bare.split('.').every((label) => HOST_LABEL.test(label))
  return isName ? undefined : `Host "${host}" must be a valid DNS hostname`
}

function sdsProblem(tls: JsonObject | undefined, where: string): string | undefined {
  const sds = objectAt(tls, 'SDS')
  const cluster = textAt(sds, 'ClusterName')
  const resource = textAt(sds, 'CertResource')
  if (resource !== '' && cluster === '') {
    return `TLS.SDS.ClusterName is required if CertResource is set${where}`
  }
  if (cluster !== '' && resource === '') {
    return `TLS.SDS.CertResource is required if ClusterName is set${where}`
  }
  return undefined
}
