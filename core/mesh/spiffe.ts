/**
 * SPIFFE URIs and SNI names of the mesh (mesh.md 1.3, 1.4). Pure text.
 */

export type SpiffeId =
  | {
      readonly kind: 'service'
      readonly trustDomain: string
      readonly partition: string
      readonly namespace: string
      readonly datacenter: string
      readonly service: string
    }
  | {
      readonly kind: 'agent'
      readonly trustDomain: string
      readonly partition: string
      readonly datacenter: string
      readonly node: string
    }
  | { readonly kind: 'server'; readonly trustDomain: string; readonly datacenter: string }
  | {
      readonly kind: 'mesh-gateway'
      readonly trustDomain: string
      readonly partition: string
      readonly datacenter: string
    }
  | { readonly kind: 'signing'; readonly trustDomain: string }

export function serviceSpiffeUri(trustDomain: string, datacenter: string, service: string): string {
  return `spiffe://${trustDomain}/ns/default/dc/${encodeSegment(datacenter)}/svc/${encodeSegment(service)}`
}

export function agentSpiffeUri(trustDomain: string, datacenter: string, node: string): string {
  return `spiffe://${trustDomain}/agent/client/dc/${encodeSegment(datacenter)}/id/${encodeSegment(node)}`
}

export function serverSpiffeUri(trustDomain: string, datacenter: string): string {
  return `spiffe://${trustDomain}/agent/server/dc/${encodeSegment(datacenter)}`
}

export function meshGatewaySpiffeUri(trustDomain: string, datacenter: string): string {
  return `spiffe://${trustDomain}/gateway/mesh/dc/${encodeSegment(datacenter)}`
}

export function serviceSni(trustDomain: string, datacenter: string, service: string): string {
  return `${service}.default.${datacenter}.internal.${trustDomain}`
}

const DEFAULT_PARTITION = 'default'
const PARTITION = '(?:/ap/([^/]+))?'
const SERVICE_PATH = new RegExp(`^${PARTITION}/ns/([^/]+)/dc/([^/]+)/svc/([^/]+)$`)
const AGENT_PATH = new RegExp(`^${PARTITION}/agent/client/dc/([^/]+)/id/([^/]+)$`)
const GATEWAY_PATH = new RegExp(`^${PARTITION}/gateway/mesh/dc/([^/]+)$`)
const SERVER_PATH = /^\/agent\/server\/dc\/([^/]+)$/

/** @returns the identity, or the text of mesh.md 1.3 that says why it is none */
export function parseSpiffeUri(uri: string): SpiffeId | { readonly error: string } {
  if (!uri.startsWith('spiffe://')) return { error: "SPIFFE ID must have 'spiffe' scheme" }
  const rest = uri.slice('spiffe://'.length)
  const slash = rest.indexOf('/')
  const trustDomain = (slash < 0 ? rest : rest.slice(0, slash)).toLowerCase()
  const path = slash < 0 ? '' : rest.slice(slash)
  const service = SERVICE_PATH.exec(path)
  if (service !== null) {
    return decodeFields(
      service,
      ['admin partition', 'namespace', 'datacenter', 'service'],
      (f) => ({
        kind: 'service',
        trustDomain,
        partition: f[0] ?? DEFAULT_PARTITION,
        namespace: f[1] ?? '',
        datacenter: f[2] ?? '',
        service: f[3] ?? '',
      }),
    )
  }
  const agent = AGENT_PATH.exec(path)
  if (agent !== null) {
    return decodeFields(agent, ['admin partition', 'datacenter', 'node'], (f) => ({
      kind: 'agent',
      trustDomain,
      partition: f[0] ?? DEFAULT_PARTITION,
      datacenter: f[1] ?? '',
      node: f[2] ?? '',
    }))
  }
  const gateway = GATEWAY_PATH.exec(path)
  if (gateway !== null) {
    return decodeFields(gateway, ['admin partition', 'datacenter'], (f) => ({
      kind: 'mesh-gateway',
      trustDomain,
      partition: f[0] ?? DEFAULT_PARTITION,
      datacenter: f[1] ?? '',
    }))
  }
  const server = SERVER_PATH.exec(path)
  if (server !== null) {
    return decodeFields(server, ['datacenter'], (f) => ({
      kind: 'server',
      trustDomain,
      datacenter: f[0] ?? '',
    }))
  }
  if (path === '' && trustDomain.includes('.')) return { kind: 'signing', trustDomain }
  return { error: `SPIFFE ID is not in the expected format: ${uri}` }
}

function decodeFields(
  match: RegExpExecArray,
  names: readonly string[],
  make: (fields: readonly (string | undefined)[]) => SpiffeId,
): SpiffeId | { readonly error: string } {
  const fields: (string | undefined)[] = []
  for (const [i, name] of names.entries()) {
    const raw = match[i + 1]
    if (raw === undefined) {
      fields.push(undefined)
      continue
    }
    try {
      fields.push(decodeURIComponent(raw))
    } catch {
      return { error: `Invalid ${name}: invalid URL escape in "${raw}"` }
    }
  }
  return make(fields)
}

/** Percent-encodes what a path segment may not hold, byte for byte as Go's url.PathEscape does. */
export function encodeSegment(segment: string): string {
  return encodeURIComponent(segment.toWellFormed())
    .replace(/%24|%26|%2B|%3A|%3D|%40/g, (escaped) => decodeURIComponent(escaped))
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
