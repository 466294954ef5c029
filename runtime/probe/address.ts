/**
 * `host:port` as checks name their targets; IPv6 hosts in brackets.
 */

export interface ProbeAddress {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535

/** @returns undefined when the text is no address */
export function parseAddress(text: string): ProbeAddress | undefined {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return undefined
  const portText = text.slice(colon + 1)
  let host = text.slice(0, colon)
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1)
  else if (host.includes(':')) return undefined
  if (!/^[0-9]{1,5}$/.test(portText)) return undefined
  const port = Number(portText)
  if (port < 1 || port > PORT_MAX) return undefined
  // As elsewhere, no host means this one.
  return { host: host || '127.0.0.1', port }
}

export function invalidAddress(text: string): string {
  return `dial tcp: address ${text}: must be host:port`
}
