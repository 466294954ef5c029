/**
 * What config entries say about a proxy, laid under its registration: `?merge-central-config` (mesh.md 8.1, 8.2). Pure.
 *
 * proxy-defaults, then service-defaults of the service behind the proxy (of a gateway: its own), then the registration, the
 * later wins. Guarantees: a service that is no proxy is returned as it is; the registration is not touched. Left out is what
 * a registration here cannot say either: access logs, extensions of Envoy and the mode of mutual TLS.
 */

import type {
  ExposePath,
  JsonObject,
  ProxyConfig,
  ServiceDefinition,
  Upstream,
} from '../catalog/types.ts'
import { flagAt, hasField, isObject, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'

/** Bodies by kind and name; undefined where there is no entry. */
export type CentralEntries = (kind: string, name: string) => JsonObject | undefined

export function withCentralConfig<T extends ServiceDefinition>(
  service: T,
  entryOf: CentralEntries,
): T {
  const { proxy, kind } = service
  if (proxy === undefined || kind === '') return service
  const name = kind === 'connect-proxy' ? proxy.destinationServiceName : service.service
  const global = entryOf('proxy-defaults', 'global')
  const own = entryOf('service-defaults', name)
  return { ...service, proxy: mergedProxy(proxy, { global, own, entryOf }) }
}

interface Central {
  readonly global: JsonObject | undefined
  readonly own: JsonObject | undefined
  readonly entryOf: CentralEntries
}

function mergedProxy(proxy: ProxyConfig, central: Central): ProxyConfig {
  const { global, own } = central
  const meshGatewayMode = proxy.meshGatewayMode || meshGatewayOf(own) || meshGatewayOf(global)
  const expose = exposeOf(own, global)
  const transparent = transparentOf(proxy, central)
  return {
    ...proxy,
    mode: proxy.mode || modeOf(own) || modeOf(global),
    config: {
      ...objectAt(global, 'Config'),
      ...serviceConfig(own),
      ...proxy.config,
    },
    upstreams: proxy.upstreams.map((upstream) => mergedUpstream(upstream, proxy, central)),
    meshGatewayMode,
    exposeChecks: proxy.exposeChecks || expose.checks,
    exposePaths: proxy.exposePaths.length > 0 ? proxy.exposePaths : expose.paths,
    ...(transparent === undefined ? {} : { transparentProxy: transparent }),
  }
}

/** Fields of service-defaults that are keys of a proxy's configuration. */
const SERVICE_KEYS = [
  ['Protocol', 'protocol'],
  ['BalanceInboundConnections', 'balance_inbound_connections'],
  ['MaxInboundConnections', 'max_inbound_connections'],
  ['LocalConnectTimeoutMs', 'local_connect_timeout_ms'],
  ['LocalRequestTimeoutMs', 'local_request_timeout_ms'],
] as const

/** Fields of an upstream's configuration, by the key that an upstream of a registration has. */
const UPSTREAM_KEYS = [
  ['Protocol', 'protocol'],
  ['ConnectTimeoutMs', 'connect_timeout_ms'],
  ['BalanceOutboundConnections', 'balance_outbound_connections'],
  ['EnvoyListenerJSON', 'envoy_listener_json'],
  ['EnvoyClusterJSON', 'envoy_cluster_json'],
  ['Limits', 'limits'],
  ['PassiveHealthCheck', 'passive_health_check'],
] as const

function serviceConfig(entry: JsonObject | undefined): JsonObject {
  return renamed(entry, SERVICE_KEYS)
}

/** What is not empty, under the other names. */
function renamed(
  body: JsonObject | undefined,
  names: readonly (readonly [string, string])[],
): JsonObject {
  const out: [string, JsonObject[string]][] = []
  for (const [from, to] of names) {
    const value = body?.[from]
    if (value === undefined || value === null || value === '' || value === 0) continue
    out.push([to, value])
  }
  return Object.fromEntries(out)
}

function mergedUpstream(upstream: Upstream, proxy: ProxyConfig, central: Central): Upstream {
  const { global, own, entryOf } = central
  const isService = upstream.destinationType !== 'prepared_query'
  const upstreamConfig = objectAt(own, 'UpstreamConfig')
  const defaults = objectAt(upstreamConfig, 'Defaults')
  const override = objectsIn(upstreamConfig, 'Overrides').find((each) => {
    return textAt(each, 'Name').toLowerCase() === upstream.destinationName.toLowerCase()
  })
  const protocol =
    textAt(
      isService ? entryOf('service-defaults', upstream.destinationName) : undefined,
      'Protocol',
    ) || textAt(objectAt(global, 'Config'), 'protocol')
  const config = {
    ...(protocol === '' ? {} : { protocol }),
    ...renamed(defaults, UPSTREAM_KEYS),
    ...renamed(override, UPSTREAM_KEYS),
    ...upstream.config,
  }
  const meshGatewayMode =
    upstream.meshGatewayMode ||
    meshGatewayOf(override) ||
    proxy.meshGatewayMode ||
    meshGatewayOf(defaults) ||
    meshGatewayOf(own) ||
    meshGatewayOf(global)
  return {
    ...upstream,
    config: Object.keys(config).length === 0 ? upstream.config : config,
    meshGatewayMode,
  }
}

/** Names of upstreams that a service's `UpstreamConfig` says something about. */
export function overriddenUpstreams(upstreamConfig: JsonObject | undefined): readonly string[] {
  return objectsIn(upstreamConfig, 'Overrides').map((each) => textAt(each, 'Name'))
}

/** Configuration of an upstream that no registration names; with '' of any that has no override. */
export function implicitUpstream(upstreamConfig: JsonObject | undefined, name: string): JsonObject {
  const override = objectsIn(upstreamConfig, 'Overrides').find((each) => {
    return name !== '' && textAt(each, 'Name').toLowerCase() === name.toLowerCase()
  })
  return {
    ...renamed(objectAt(upstreamConfig, 'Defaults'), UPSTREAM_KEYS),
    ...renamed(override, UPSTREAM_KEYS),
  }
}

function meshGatewayOf(body: JsonObject | undefined): string {
  return textAt(objectAt(body, 'MeshGateway'), 'Mode')
}

function modeOf(body: JsonObject | undefined): ProxyConfig['mode'] {
  const mode = textAt(body, 'Mode')
  return mode === 'direct' || mode === 'transparent' ? mode : ''
}

function exposeOf(
  own: JsonObject | undefined,
  global: JsonObject | undefined,
): { readonly checks: boolean; readonly paths: readonly ExposePath[] } {
  const ownExpose = objectAt(own, 'Expose')
  const globalExpose = objectAt(global, 'Expose')
  const paths = objectsIn(ownExpose, 'Paths')
  const found = paths.length > 0 ? paths : objectsIn(globalExpose, 'Paths')
  return {
    checks: flagAt(ownExpose, 'Checks') || flagAt(globalExpose, 'Checks'),
    paths: found.map((path) => ({
      path: textAt(path, 'Path'),
      localPathPort: numberAt(path, 'LocalPathPort'),
      listenerPort: numberAt(path, 'ListenerPort'),
      protocol: textAt(path, 'Protocol'),
    })),
  }
}

function transparentOf(
  proxy: ProxyConfig,
  { own, global }: Central,
): ProxyConfig['transparentProxy'] {
  const bodies = [objectAt(own, 'TransparentProxy'), objectAt(global, 'TransparentProxy')]
  const said = bodies.some(
    (body) => isObject(body) && Object.keys(body).some((key) => hasField(body, key)),
  )
  if (!said) return proxy.transparentProxy
  const port = (body: JsonObject | undefined): number => numberAt(body, 'OutboundListenerPort')
  const given = proxy.transparentProxy
  return {
    outboundListenerPort: given?.outboundListenerPort || port(bodies[0]) || port(bodies[1]),
    dialedDirectly:
      given?.dialedDirectly === true || bodies.some((body) => flagAt(body, 'DialedDirectly')),
  }
}
