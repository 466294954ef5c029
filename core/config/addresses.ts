/**
 * Bind, advertise and client addresses, with templates expanded and Consul's rules (agent-config.md 3.2, 8).
 */

import { expandTemplate, type HostInterface } from './address-template.ts'
import { ipFamily, isAnyAddress, isPrivate, isPublic } from './ip-address.ts'
import type { RawReader } from './raw-reader.ts'

export interface Addresses {
  readonly bind: string
  readonly advertise: string
  readonly client: readonly string[]
  /** `client` unless given. */
  readonly http: readonly string[]
  readonly dns: readonly string[]
}

export function resolveAddresses(
  reader: RawReader,
  options: { readonly devMode: boolean; readonly interfaces: readonly HostInterface[] },
): Addresses {
  const bindDefault = options.devMode ? '127.0.0.1' : '0.0.0.0'
  const bind = resolveBind(reader, bindDefault, options.interfaces)
  const client = resolveClient(reader, options.interfaces)
  const ownOrClient = (key: string): readonly string[] => {
    const own = ipList(reader, { key, fallback: '', interfaces: options.interfaces })
    return own.length === 0 ? client : own
  }
  return {
    bind,
    advertise: resolveAdvertise(reader, bind, options.interfaces),
    client,
    http: ownOrClient('addresses.http'),
    dns: ownOrClient('addresses.dns'),
  }
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

/** A socket file is a problem, not a warning: who asks for one does not want a TCP port instead. */
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
  for (const address of addresses) {
    if (ipFamily(address) !== undefined) continue
    const isSocket = address.startsWith('unix:') || address.startsWith('/')
    reader.problem(
      key,
      `${key} must hold ip addresses, got "${address}"${isSocket ? '; socket files are not supported yet' : ''}`,
      'write IP addresses of this host, separated by blanks',
    )
  }
  return addresses
}
