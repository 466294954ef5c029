/**
 * Rules of one service instance, whatever asked for it: kinds, proxies, upstreams, sidecars (mesh.md 2).
 *
 * Pure. Every broken rule is reported, in the form clients know from Go's multierror. Used for the service
 * itself before anything changes and for its sidecar once that is expanded.
 */

import { isIP } from 'node:net'
import type {
  ProxyConfig,
  ServiceDefinition,
  ServiceKind,
  TaggedAddress,
  Upstream,
} from '../../core/catalog/types.ts'
import type { DecodeStyle } from '../../core/decode/place.ts'
import {
  EXPOSED_PATHS_MAX,
  NAME_LENGTH_MAX,
  TAGGED_ADDRESSES_MAX,
  TAGS_MAX,
  TEXT_LENGTH_MAX,
  UPSTREAMS_MAX,
} from './limits.ts'

const KINDS: ReadonlySet<string> = new Set<ServiceKind>([
  '',
  'connect-proxy',
  'mesh-gateway',
  'terminating-gateway',
  'ingress-gateway',
  'api-gateway',
])
const ANY_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]'])
const EXPOSE_PROTOCOLS: readonly string[] = ['http', 'http2']
const PORT_MAX = 65_535
const DNS_NAME = /^[A-Za-z0-9-]+$/

export function isServiceKind(text: string): text is ServiceKind {
  return KINDS.has(text)
}

export function isAnyAddress(address: string): boolean {
  return ANY_ADDRESSES.has(address)
}

/** False for a name that DNS cannot carry; it is accepted with a warning. */
export function isDnsName(name: string): boolean {
  return DNS_NAME.test(name)
}

/** What the nested definition of a sidecar said that it may not say. */
export interface NestedSidecar {
  readonly hasId: boolean
  readonly hasSidecar: boolean
  /** Files have their own words for both rules (agent-config.md 13). */
  readonly style: DecodeStyle
}

/** @returns every broken rule, in order */
export function serviceProblems(
  service: ServiceDefinition,
  nested?: NestedSidecar,
): readonly string[] {
  const problems: string[] = []
  problems.push(...sizeProblems(service))
  if (service.port < 0 || service.port > PORT_MAX) {
    problems.push(`Port ${service.port} must be between 0 and ${PORT_MAX}`)
  }
  if (service.proxy !== undefined) {
    if (service.kind === 'connect-proxy') problems.push(...proxyProblems(service, service.proxy))
    else problems.push(...gatewayProblems(service, service.proxy))
    problems.push(...exposeProblems(service.proxy))
  }
  if (service.connectNative && service.port === 0 && service.socketPath === '') {
    problems.push('Port or SocketPath must be set for a Connect native service.')
  }
  if (service.kind !== '' && service.connectNative) {
    problems.push('A Proxy cannot also be Connect Native, only typical services')
  }
  if (nested !== undefined) problems.push(...sidecarProblems(service, nested))
  return problems
}

/** The form in which Go's multierror prints a list; on one line for files, which have many such lists. */
export function multiError(problems: readonly string[], style: DecodeStyle): string {
  if (style === 'config') return problems.join('; ')
  const lines = problems.map((problem) => `* ${problem}`).join('\n\t')
  const head = problems.length === 1 ? '1 error occurred' : `${problems.length} errors occurred`
  return `${head}:\n\t${lines}\n\n`
}

/** Adds lan and wan addresses of the family of `address` where it is an IP literal (http-api.md 9.7). */
export function withAutoTaggedAddresses(service: ServiceDefinition): ServiceDefinition {
  const family = isIP(service.address)
  if (family === 0) return service
  const own: TaggedAddress = { address: service.address, port: service.port }
  const suffix = family === 4 ? 'ipv4' : 'ipv6'
  return {
    ...service,
    taggedAddresses: {
      [`lan_${suffix}`]: own,
      [`wan_${suffix}`]: own,
      ...service.taggedAddresses,
    },
  }
}

function sizeProblems(service: ServiceDefinition): readonly string[] {
  const problems: string[] = []
  const bound = (what: string, size: number, max: number, unit: string): void => {
    if (size > max) problems.push(`${what} has ${size} ${unit}, at most ${max} are allowed`)
  }
  bound('ID', service.id.length, NAME_LENGTH_MAX, 'characters')
  bound('Name', service.service.length, NAME_LENGTH_MAX, 'characters')
  bound('Address', service.address.length, TEXT_LENGTH_MAX, 'characters')
  bound('SocketPath', service.socketPath.length, TEXT_LENGTH_MAX, 'characters')
  bound('Tags', service.tags.length, TAGS_MAX, 'entries')
  const tagged = Object.keys(service.taggedAddresses).length
  bound('TaggedAddresses', tagged, TAGGED_ADDRESSES_MAX, 'entries')
  // The state store separates keys by it.
  if (`${service.id}${service.service}`.includes('\0')) {
    problems.push('ID and Name cannot contain a NUL character')
  }
  for (const tag of service.tags) bound('Tag', tag.length, NAME_LENGTH_MAX, 'characters')
  return problems
}

function proxyProblems(service: ServiceDefinition, proxy: ProxyConfig): readonly string[] {
  const problems: string[] = []
  if (proxy.destinationServiceName.trim() === '') {
    problems.push('Proxy.DestinationServiceName must be non-empty for Connect proxy services')
  }
  if (proxy.destinationServiceName === '*') {
    problems.push('Proxy.DestinationServiceName must not be a wildcard for Connect proxy services')
  }
  if (service.port === 0 && service.socketPath === '') {
    problems.push('Port or SocketPath must be set for a connect-proxy')
  }
  if (proxy.upstreams.length > UPSTREAMS_MAX) {
    problems.push(`Proxy.Upstreams has more than ${UPSTREAMS_MAX} entries`)
    return problems
  }
  const names = new Set<string>()
  const binds = new Set<string>()
  for (const upstream of proxy.upstreams) {
    const problem = upstreamProblem(upstream)
    if (problem !== undefined) {
      problems.push(problem)
      continue
    }
    const name = upstreamKey(upstream)
    if (names.has(name)) problems.push(`upstreams cannot contain duplicates of ${name}`)
    names.add(name)
    const bind = bindAddress(upstream)
    if (binds.has(bind)) {
      problems.push(
        `upstreams cannot contain duplicates by local bind address and port or unix path; ${bind} is specified twice`,
      )
    }
    binds.add(bind)
  }
  return problems
}

function upstreamProblem(upstream: Upstream): string | undefined {
  if (upstream.destinationName === '') return 'upstream destination name cannot be empty'
  if (upstream.destinationName === '*') return 'upstream destination name cannot be a wildcard'
  const hasPort = upstream.localBindPort !== 0
  const hasSocket = upstream.localBindSocketPath !== ''
  if (!hasPort && !hasSocket) {
    return 'upstream local bind port or local socket path must be defined and nonzero'
  }
  if ((hasPort || upstream.localBindAddress !== '') && hasSocket) {
    return 'only one of upstream local bind port or local socket path can be defined and nonzero'
  }
  if (upstream.localBindPort < 0 || upstream.localBindPort > PORT_MAX) {
    return `upstream local bind port ${upstream.localBindPort} must be between 1 and ${PORT_MAX}`
  }
  const mode = upstream.localBindSocketMode
  if (mode !== '' && !/^0?[0-7]{1,4}$/.test(mode)) {
    return `upstream local bind socket mode "${mode}" must be octal, such as "0700"`
  }
  return undefined
}

function upstreamKey(upstream: Upstream): string {
  return `[type=${upstream.destinationType}, name=${upstream.destinationName}, datacenter=${upstream.datacenter}]`
}

function bindAddress(upstream: Upstream): string {
  if (upstream.localBindSocketPath !== '') return upstream.localBindSocketPath
  return `${upstream.localBindAddress || '127.0.0.1'}:${upstream.localBindPort}`
}

function gatewayProblems(service: ServiceDefinition, proxy: ProxyConfig): readonly string[] {
  const kind = service.kind
  const problems: string[] = []
  if (service.port === 0 && kind !== 'ingress-gateway' && kind !== 'api-gateway') {
    problems.push(`Port must be non-zero for a ${kind}`)
  }
  const forbidden: readonly (readonly [string, boolean])[] = [
    ['DestinationServiceName', proxy.destinationServiceName !== ''],
    ['DestinationServiceID', proxy.destinationServiceId !== ''],
    ['LocalServiceAddress', proxy.localServiceAddress !== ''],
    ['LocalServicePort', proxy.localServicePort !== 0],
    ['LocalServiceSocketPath', proxy.localServiceSocketPath !== ''],
    ['Upstreams', proxy.upstreams.length > 0],
  ]
  for (const [name, isSet] of forbidden) {
    if (isSet) problems.push(`The Proxy.${name} configuration is invalid for a ${kind}`)
  }
  return problems
}

function exposeProblems(proxy: ProxyConfig): readonly string[] {
  const problems: string[] = []
  if (proxy.exposePaths.length > EXPOSED_PATHS_MAX) {
    return [`expose.paths has more than ${EXPOSED_PATHS_MAX} entries`]
  }
  const ports = new Set<number>()
  for (const path of proxy.exposePaths) {
    if (path.path === '') problems.push('expose.paths: empty path exposed')
    if (path.listenerPort !== 0 && ports.has(path.listenerPort)) {
      problems.push('expose.paths: duplicate listener ports exposed')
    }
    ports.add(path.listenerPort)
    if (path.listenerPort <= 0 || path.listenerPort > PORT_MAX) {
      problems.push(`expose.paths: invalid listener port: ${path.listenerPort}`)
    }
    if (path.protocol !== '' && !EXPOSE_PROTOCOLS.includes(path.protocol)) {
      problems.push(
        `protocol '${path.protocol}' not supported for path: ${path.path}, must be in: [${EXPOSE_PROTOCOLS.join(' ')}]`,
      )
    }
  }
  return problems
}

function sidecarProblems(service: ServiceDefinition, nested: NestedSidecar): readonly string[] {
  const problems: string[] = []
  const inFile = nested.style === 'config'
  if (nested.hasId) {
    problems.push(
      inFile
        ? "sidecar_service can't specify an ID"
        : 'A SidecarService cannot specify an ID as this is managed by the agent',
    )
  }
  if (nested.hasSidecar) {
    problems.push(
      inFile
        ? "sidecar_service can't have a nested sidecar_service"
        : 'A SidecarService cannot have a nested SidecarService',
    )
  }
  if (service.kind !== '' && service.kind !== 'connect-proxy') {
    problems.push(`A ${service.kind} cannot have a sidecar service defined`)
  }
  return problems
}
