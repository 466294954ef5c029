/**
 * Rules of api-gateway, http-route and tcp-route (mesh.md 7.12).
 */

import type { JsonObject } from '../catalog/types.ts'
import { regexProblem } from '../filter/regex.ts'
import { hasField, listAt, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'
import { tlsRangeProblem } from './tls-range.ts'

const LISTENER_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const HOSTNAME =
  /^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i
const CERTIFICATE_KINDS: ReadonlySet<string> = new Set([
  '',
  'inline-certificate',
  'file-system-certificate',
])
const PORT_MAX = 65_535

export function apiGatewayProblem(body: JsonObject): string | undefined {
  const listeners = objectsIn(body, 'Listeners')
  if (listeners.length === 0) return 'api gateway must have at least one listener'
  const names = new Set<string>()
  const byPort = new Map<number, { name: string; protocol: string; hostname: string }>()
  for (const listener of listeners) {
    const name = textAt(listener, 'Name')
    if (name !== '' && !LISTENER_NAME.test(name)) {
      return `listener name "${name}" is invalid, must be valid DNS-1123 label`
    }
    if (names.has(name)) return `found multiple listeners with the name "${name}"`
    names.add(name)
    const problem = listenerProblem(listener)
    if (problem !== undefined) return problem
    const port = numberAt(listener, 'Port')
    const protocol = textAt(listener, 'Protocol').toLowerCase()
    const hostname = textAt(listener, 'Hostname')
    const other = byPort.get(port)
    if (other !== undefined && (other.protocol !== protocol || other.hostname !== hostname)) {
      return `listeners "${other.name}" and "${name}" cannot be merged`
    }
    byPort.set(port, { name, protocol, hostname })
  }
  return undefined
}

function listenerProblem(listener: JsonObject): string | undefined {
  const protocol = textAt(listener, 'Protocol').toLowerCase()
  if (protocol !== 'http' && protocol !== 'tcp') {
    return `unsupported listener protocol "${textAt(listener, 'Protocol')}", must be one of "http", "tcp"`
  }
  const hostname = textAt(listener, 'Hostname')
  if (hostname !== '' && hostname !== '*') {
    if (protocol === 'tcp') return 'hostname specification is not supported when using TCP'
    if (!HOSTNAME.test(hostname)) {
      return `host ${hostname} is not valid, it must be a DNS name, with a wildcard as the leftmost label at most`
    }
  }
  const port = numberAt(listener, 'Port')
  if (port < 1 || port > PORT_MAX) return `listener port ${port} not in the range 1-${PORT_MAX}`
  const tls = objectAt(listener, 'TLS')
  for (const certificate of objectsIn(tls, 'Certificates')) {
    const kind = textAt(certificate, 'Kind')
    if (!CERTIFICATE_KINDS.has(kind)) return `unsupported certificate kind: "${kind}"`
    if (textAt(certificate, 'Name') === '') return 'certificate reference must have a name'
  }
  return tlsRangeProblem(tls, { min: 'MinVersion', max: 'MaxVersion' })
}

const PATH_MATCHES: ReadonlySet<string> = new Set(['', 'exact', 'prefix', 'regex'])
const HEADER_MATCHES: ReadonlySet<string> = new Set([
  'exact',
  'prefix',
  'suffix',
  'regex',
  'present',
])
const QUERY_MATCHES: ReadonlySet<string> = new Set(['exact', 'present', 'regex'])

export function httpRouteProblem(body: JsonObject): string | undefined {
  for (const given of listAt(body, 'Hostnames')) {
    const hostname = String(given)
    if (hostname.includes('*')) return `host "${hostname}" must not be a wildcard`
    if (!HOSTNAME.test(hostname)) return `host "${hostname}" must be a valid DNS hostname`
  }
  for (const [i, rule] of objectsIn(body, 'Rules').entries()) {
    for (const [j, match] of objectsIn(rule, 'Matches').entries()) {
      const problem = matchProblem(match)
      if (problem !== undefined) return `Rule[${i}], Match[${j}], ${problem}`
    }
    for (const [j, service] of objectsIn(rule, 'Services').entries()) {
      if (textAt(service, 'Name') === '') return `Rule[${i}], Service[${j}], Name is required`
    }
  }
  return parentsProblem(body)
}

function matchProblem(match: JsonObject): string | undefined {
  const path = objectAt(match, 'Path')
  const kind = textAt(path, 'Match')
  const value = textAt(path, 'Value')
  if (!PATH_MATCHES.has(kind)) return `path match type is invalid: "${kind}"`
  if (kind !== 'regex' && value !== '' && !value.startsWith('/')) {
    return `path value should begin with a "/", not "${value}"`
  }
  if (kind === 'regex' && regexProblem(value) !== undefined) {
    return `path regex is not valid: ${regexProblem(value)}`
  }
  for (const [key, known] of [
    ['Headers', HEADER_MATCHES],
    ['Query', QUERY_MATCHES],
  ] as const) {
    for (const [k, part] of objectsIn(match, key).entries()) {
      const given = textAt(part, 'Match')
      if (!known.has(given)) return `${key}[${k}], match type is invalid: "${given}"`
      if (textAt(part, 'Name') === '') return `${key}[${k}], Name is required`
      const problem = given === 'regex' ? regexProblem(textAt(part, 'Value')) : undefined
      if (problem !== undefined) return `${key}[${k}], regex is not valid: ${problem}`
    }
  }
  return undefined
}

export function tcpRouteProblem(body: JsonObject): string | undefined {
  if (listAt(body, 'Services').length > 1) {
    return 'tcp-route currently only supports one service'
  }
  return parentsProblem(body)
}

function parentsProblem(body: JsonObject): string | undefined {
  for (const [i, parent] of objectsIn(body, 'Parents').entries()) {
    const kind = hasField(parent, 'Kind') ? textAt(parent, 'Kind') : 'api-gateway'
    if (kind !== '' && kind !== 'api-gateway') {
      return `Parents[${i}]: unsupported parent kind: "${kind}", must be 'api-gateway'`
    }
    if (textAt(parent, 'Name') === '') return `Parents[${i}]: Name is required`
  }
  return undefined
}
