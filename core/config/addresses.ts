/**
 * Bind, advertise and client addresses, with templates expanded and Consul's rules (agent-config.md 3.2, 8).
 */

import type { StringMap } from '../catalog/types.ts'
import { ipFamily, isAnyAddress, isPrivate, isPublic } from './ip-address.ts'
import type { RawReader } from './raw-reader.ts'
import type { HostInterface } from './sockaddr/host-interface.ts'
import { expandTemplate } from './sockaddr/template.ts'

export interface Addresses {
  readonly bind: string
  /** `bind` unless given. */
  readonly gossip: string
  readonly advertise: string
  readonly client: readonly string[]
  /** `client` unless given. */
  readonly http: readonly string[]
  /** `client` unless given. */
  readonly https: readonly string[]
  /** Paths. */
  readonly httpSockets: readonly string[]
  readonly dns: readonly string[]
  /** `client` unless given. */
  readonly grpc: readonly string[]
  /** `client` unless given. */
  readonly grpcTls: readonly string[]
}

export function resolveAddresses(
  reader: RawReader,
  options: { readonly devMode: boolean; readonly interfaces: readonly HostInterface[] },
): Addresses {
  const bindDefault = options.devMode ? '127.0.0.1' : '0.0.0.0'
  const bind = resolveBind(reader, bindDefault, options.interfaces)
  const gossip = oneAddress(reader, 'serf_lan', options.interfaces) ?? bind
  const client = resolveClient(reader, options.interfaces)
  const ownOrClient = (key: string): readonly string[] => {
    const own = ipList(reader, { key, fallback: '', interfaces: options.interfaces })
    return own.length === 0 ? client : own
  }
  return {
    bind,
    gossip,
    advertise: resolveAdvertise(reader, bind, options.interfaces),
    client,
    ...resolveHttpListeners(reader, client, options.interfaces),
    dns: ownOrClient('addresses.dns'),
    https: ownOrClient('addresses.https'),
    grpc: ownOrClient('addresses.grpc'),
    grpcTls: ownOrClient('addresses.grpc_tls'),
  }
}

/** Socket files stand beside addresses, and replace them where there are only such. */
function resolveHttpListeners(
  reader: RawReader,
  client: readonly string[],
  interfaces: readonly HostInterface[],
): Pick<Addresses, 'http' | 'httpSockets'> {
  const key = 'addresses.http'
  const text = expanded(reader, key, '', interfaces) ?? ''
  const parts = text.split(/\s+/).filter((part) => part !== '')
  if (parts.length === 0) return { http: client, httpSockets: [] }
  const isSocket = (part: string): boolean => part.startsWith('unix://') || part.startsWith('/')
  const http = parts.filter((part) => !isSocket(part))
  for (const address of http) refuseNoIp(reader, key, address)
  const httpSockets = parts.filter(isSocket).map((part) => part.replace(/^unix:\/\//, ''))
  for (const path of httpSockets) {
    if (path.startsWith('/') && path.length <= SOCKET_PATH_MAX) continue
    reader.problem(
      key,
      `${key}: "${path}" is no path of a socket file`,
      `write an absolute path of at most ${SOCKET_PATH_MAX} characters, as unix:///run/fairlead.sock`,
    )
  }
  return { http, httpSockets }
}

/** What the kernel takes (unix(7)). */
const SOCKET_PATH_MAX = 107

/** A list of which each element may be a template, for one address or several. */
export function expandedList(
  reader: RawReader,
  key: string,
  interfaces: readonly HostInterface[],
): readonly string[] {
  return reader.list(key).flatMap((element) => {
    if (!element.includes('{{')) return [element]
    const result = expandTemplate(element, interfaces)
    if (result.ok) return result.text.split(/\s+/).filter((part) => part !== '')
    reader.problem(key, `${key}: ${result.message}`, 'write addresses')
    return []
  })
}

const FAMILIES = ['ipv4', 'ipv6'] as const

/**
 * The addresses others use, under the names Consul's clients look for. `tagged_addresses` wins over the
 * `advertise_addr_*` keys, and those over what is derived from the address that is advertised.
 */
export function resolveTaggedAddresses(
  reader: RawReader,
  advertise: string,
  interfaces: readonly HostInterface[],
): StringMap {
  const own = ipFamily(advertise) === 6 ? 'ipv6' : 'ipv4'
  const tagged: Record<string, string> = {}
  const set = (name: string, address: string | undefined): void => {
    if (address !== undefined) tagged[name] = address
  }
  const given = (name: string): string | undefined =>
    oneAddress(reader, `advertise_addr_${name}`, interfaces)
  const wan = given('wan') ?? advertise
  set('lan', advertise)
  set('wan', wan)
  for (const family of FAMILIES) {
    const isWanFamily = ipFamily(wan) === (family === 'ipv4' ? 4 : 6)
    const lanFamily = oneAddress(reader, `advertise_addr_${family}`, interfaces, family)
    set(`lan_${family}`, lanFamily ?? (own === family ? advertise : undefined))
    set(
      `wan_${family}`,
      oneAddress(reader, `advertise_addr_wan_${family}`, interfaces, family) ??
        (isWanFamily ? wan : undefined),
    )
  }
  return { ...tagged, ...reader.map('tagged_addresses') }
}

/** @returns undefined when it is not given, or wrong, which is reported */
function oneAddress(
  reader: RawReader,
  key: string,
  interfaces: readonly HostInterface[],
  family?: (typeof FAMILIES)[number],
): string | undefined {
  const text = expanded(reader, key, '', interfaces)
  if (text === undefined || text === '') return undefined
  if (text.includes(' ')) {
    reader.problem(key, `${key}: multiple addresses found: ${text}`, 'write one of them')
    return undefined
  }
  const found = ipFamily(text)
  const isWanted = family === undefined || found === (family === 'ipv4' ? 4 : 6)
  if (found !== undefined && isWanted) return text
  const what = family === undefined ? 'an ip' : `an ${family}`
  reader.problem(key, `${key} must be ${what} address, got "${text}"`, 'correct or remove it')
  return undefined
}

function expanded(
  reader: RawReader,
  key: string,
  fallback: string,
  interfaces: readonly HostInterface[],
): string | undefined {
  const result = expandTemplate(reader.text(key, fallback), interfaces)
  if (result.ok) return result.text
  reader.problem(key, `${key}: ${result.message}`, 'write an IP address')
  return undefined
}

function resolveBind(
  reader: RawReader,
  fallback: string,
  interfaces: readonly HostInterface[],
): string {
  const text = expanded(reader, 'bind_addr', fallback, interfaces)
  if (text === undefined) return fallback
  if (text === '') {
    reader.problem('bind_addr', 'bind_addr cannot be empty', 'write one IP address of this host')
  } else if (text.includes(' ')) {
    reader.problem(
      'bind_addr',
      `bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead. Got: "${text}"`,
      'write one IP address of this host',
    )
  } else if (ipFamily(text) === undefined) {
    reader.problem(
      'bind_addr',
      `bind_addr must be an ip address, got "${text}"`,
      'write one IP address of this host, or 0.0.0.0 for all',
    )
  }
  return text
}

function resolveAdvertise(
  reader: RawReader,
  bind: string,
  interfaces: readonly HostInterface[],
): string {
  const text = expanded(reader, 'advertise_addr', '', interfaces)
  if (text === undefined) return bind
  if (text === '') return isAnyAddress(bind) ? deriveAdvertise(reader, bind, interfaces) : bind
  if (text.includes(' ')) {
    reader.problem(
      'advertise_addr',
      `advertise_addr: multiple addresses found: ${text}`,
      'write one of them',
    )
  } else if (ipFamily(text) === undefined) {
    reader.problem(
      'advertise_addr',
      `advertise_addr must be an ip address, got "${text}"`,
      'write the address others use to reach this node',
    )
  } else if (isAnyAddress(text)) {
    reader.problem(
      'advertise_addr',
      `Advertise address cannot be 0.0.0.0, :: or [::], got "${text}"`,
      'write the address others use to reach this node',
    )
  }
  return text
}

/** Bound to every address: the one that others can use must be beyond doubt. */
function deriveAdvertise(
  reader: RawReader,
  bind: string,
  interfaces: readonly HostInterface[],
): string {
  const isIpv4 = ipFamily(bind) === 4
  const sort = isIpv4 ? 'private IPv4' : 'public IPv6'
  const found = interfaces
    .filter((i) => (isIpv4 ? ipFamily(i.address) === 4 && isPrivate(i.address) : isPublicV6(i)))
    .map((i) => i.address)
  const [only, ...more] = found
  if (only !== undefined && more.length === 0) return only
  const message =
    only === undefined
      ? `No ${sort} address found`
      : `Multiple ${sort} addresses found: ${found.join(', ')}. Please configure one with 'bind' and/or 'advertise'.`
  const example = only ?? '<address of this host>'
  reader.problem('advertise_addr', message, `add -advertise ${example}`)
  return bind
}

function isPublicV6(i: HostInterface): boolean {
  return ipFamily(i.address) === 6 && isPublic(i.address)
}

function resolveClient(reader: RawReader, interfaces: readonly HostInterface[]): readonly string[] {
  const addresses = ipList(reader, { key: 'client_addr', fallback: '127.0.0.1', interfaces })
  if (reader.text('client_addr', '127.0.0.1') === '') {
    reader.warnings.push('client_addr is empty, client services (DNS, HTTP) are off')
  }
  return addresses
}

/** A socket file is a problem, not a warning: who asks for one does not want a port instead. */
function ipList(
  reader: RawReader,
  options: {
    readonly key: string
    readonly fallback: string
    readonly interfaces: readonly HostInterface[]
  },
): readonly string[] {
  const { key } = options
  const text = expanded(reader, key, options.fallback, options.interfaces)
  const addresses = (text ?? '').split(/\s+/).filter((part) => part !== '')
  for (const address of addresses) refuseNoIp(reader, key, address)
  return addresses
}

function refuseNoIp(reader: RawReader, key: string, address: string): void {
  if (ipFamily(address) !== undefined) return
  const isSocket = address.startsWith('unix:') || address.startsWith('/')
  reader.problem(
    key,
    `${key} must hold ip addresses, got "${address}"${isSocket ? '; socket files are for addresses.http' : ''}`,
    'write IP addresses of this host, separated by blanks',
  )
}
