/**
 * The `Proxy` and `Connect` blocks of a service, in the two forms that exist: of the catalog and of the agent.
 *
 * The catalog's keeps some empty fields (`Mode`, an upstream's `Datacenter` and `Config`) that the agent's
 * leaves out (http-api.md 9.6, 11.6, 11.7; mesh.md 2.3, 2.4).
 */

import type { ExposePath, ProxyConfig, Upstream } from '../../../core/catalog/types.ts'
import { list, opaque, text } from './json.ts'

/** Of a service that is no proxy. */
export const NO_PROXY = '{"Mode":"","MeshGateway":{},"Expose":{}}'

export function catalogProxyJson(proxy: ProxyConfig | undefined): string {
  if (proxy === undefined) return NO_PROXY
  return (
    `{${targetFields(proxy)}"Mode":${text(proxy.mode)},${configField(proxy.config)}` +
    `${upstreamsField(proxy.upstreams, catalogUpstreamJson)}${tailFields(proxy)}}`
  )
}

export function agentProxyJson(proxy: ProxyConfig): string {
  const mode = proxy.mode === '' ? '' : `"Mode":${text(proxy.mode)},`
  return (
    `{${targetFields(proxy)}${mode}${configField(proxy.config)}` +
    `${upstreamsField(proxy.upstreams, agentUpstreamJson)}${tailFields(proxy)}}`
  )
}

export function connectJson(isNative: boolean): string {
  return isNative ? '{"Native":true}' : '{}'
}

function targetFields(proxy: ProxyConfig): string {
  let out = ''
  if (proxy.destinationServiceName !== '') {
    out += `"DestinationServiceName":${text(proxy.destinationServiceName)},`
  }
  if (proxy.destinationServiceId !== '') {
    out += `"DestinationServiceID":${text(proxy.destinationServiceId)},`
  }
  if (proxy.localServiceAddress !== '') {
    out += `"LocalServiceAddress":${text(proxy.localServiceAddress)},`
  }
  if (proxy.localServicePort !== 0) out += `"LocalServicePort":${proxy.localServicePort},`
  if (proxy.localServiceSocketPath !== '') {
    out += `"LocalServiceSocketPath":${text(proxy.localServiceSocketPath)},`
  }
  return out
}

function configField(config: ProxyConfig['config']): string {
  return config === null || Object.keys(config).length === 0 ? '' : `"Config":${opaque(config)},`
}

function upstreamsField(
  upstreams: readonly Upstream[],
  encode: (upstream: Upstream) => string,
): string {
  return upstreams.length === 0 ? '' : `"Upstreams":${list(upstreams, encode)},`
}

function tailFields(proxy: ProxyConfig): string {
  let out = `"MeshGateway":${modeJson(proxy.meshGatewayMode)},"Expose":${exposeJson(proxy)}`
  const transparent = proxy.transparentProxy
  if (transparent !== undefined) {
    const fields: string[] = []
    if (transparent.outboundListenerPort !== 0) {
      fields.push(`"OutboundListenerPort":${transparent.outboundListenerPort}`)
    }
    if (transparent.dialedDirectly) fields.push('"DialedDirectly":true')
    out += `,"TransparentProxy":{${fields.join(',')}}`
  }
  return out
}

function modeJson(mode: string): string {
  return mode === '' ? '{}' : `{"Mode":${text(mode)}}`
}

function exposeJson(proxy: ProxyConfig): string {
  const fields: string[] = []
  if (proxy.exposeChecks) fields.push('"Checks":true')
  if (proxy.exposePaths.length > 0)
    fields.push(`"Paths":${list(proxy.exposePaths, exposePathJson)}`)
  return `{${fields.join(',')}}`
}

function exposePathJson(path: ExposePath): string {
  const fields: string[] = []
  if (path.listenerPort !== 0) fields.push(`"ListenerPort":${path.listenerPort}`)
  if (path.path !== '') fields.push(`"Path":${text(path.path)}`)
  if (path.localPathPort !== 0) fields.push(`"LocalPathPort":${path.localPathPort}`)
  if (path.protocol !== '') fields.push(`"Protocol":${text(path.protocol)}`)
  return `{${fields.join(',')}}`
}

function catalogUpstreamJson(upstream: Upstream): string {
  return (
    `{"DestinationType":${text(upstream.destinationType)},` +
    `"DestinationName":${text(upstream.destinationName)},` +
    `"Datacenter":${text(upstream.datacenter)},${bindFields(upstream)}` +
    `"Config":${upstream.config === null ? 'null' : opaque(upstream.config)},` +
    `"MeshGateway":${modeJson(upstream.meshGatewayMode)}}`
  )
}

function agentUpstreamJson(upstream: Upstream): string {
  const datacenter = upstream.datacenter === '' ? '' : `"Datacenter":${text(upstream.datacenter)},`
  return (
    `{"DestinationType":${text(upstream.destinationType)},` +
    `"DestinationName":${text(upstream.destinationName)},${datacenter}${bindFields(upstream)}` +
    `${configField(upstream.config)}"MeshGateway":${modeJson(upstream.meshGatewayMode)}}`
  )
}

function bindFields(upstream: Upstream): string {
  let out = ''
  if (upstream.localBindAddress !== '') {
    out += `"LocalBindAddress":${text(upstream.localBindAddress)},`
  }
  if (upstream.localBindPort !== 0) out += `"LocalBindPort":${upstream.localBindPort},`
  if (upstream.localBindSocketPath !== '') {
    out += `"LocalBindSocketPath":${text(upstream.localBindSocketPath)},`
  }
  if (upstream.localBindSocketMode !== '') {
    out += `"LocalBindSocketMode":${text(upstream.localBindSocketMode)},`
  }
  return out
}
