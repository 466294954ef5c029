/**
 * From a decoded `Proxy` block to a ProxyConfig (mesh.md 2.3, 2.4).
 *
 * Enumerations are settled here, since a ProxyConfig cannot hold a wrong one; the other rules are in
 * service-rules.ts. What fairlead cannot carry yet (access logs and Envoy extensions in a registration,
 * cluster peering, namespaces) is refused rather than dropped.
 */

import type { Json, ProxyConfig, Upstream } from '../../core/catalog/types.ts'
import type { DecodedProxy, DecodedUpstream } from './definition-schema.ts'

export interface ConvertedProxy {
  readonly proxy: ProxyConfig
  readonly problems: readonly string[]
}

const MESH_GATEWAY_MODES: ReadonlySet<string> = new Set(['', 'none', 'local', 'remote'])

/** A proxy that says nothing, for kinds that need one. */
export const EMPTY_PROXY: ProxyConfig = {
  destinationServiceName: '',
  destinationServiceId: '',
  localServiceAddress: '',
  localServicePort: 0,
  localServiceSocketPath: '',
  mode: '',
  config: null,
  upstreams: [],
  meshGatewayMode: '',
  exposeChecks: false,
  exposePaths: [],
}

export function convertProxy(decoded: DecodedProxy): ConvertedProxy {
  const problems: string[] = []
  const mode = decoded.mode
  if (!isProxyMode(mode)) problems.push(`Invalid Proxy Mode: ${JSON.stringify(mode)}`)
  const meshGatewayMode = decoded.meshGateway?.mode ?? ''
  problems.push(...gatewayModeProblem(meshGatewayMode))
  if (!isEmptyJson(decoded.accessLogs)) {
    problems.push('Proxy.AccessLogs is not supported in a registration; set it in proxy-defaults')
  }
  if (!isEmptyJson(decoded.envoyExtensions)) {
    problems.push(
      'Proxy.EnvoyExtensions is not supported in a registration; set it in service-defaults',
    )
  }
  const upstreams: Upstream[] = []
  for (const upstream of decoded.upstreams) upstreams.push(convertUpstream(upstream, problems))
  const transparent = decoded.transparentProxy
  const proxy: ProxyConfig = {
    destinationServiceName: decoded.destinationServiceName,
    destinationServiceId: decoded.destinationServiceId,
    localServiceAddress: decoded.localServiceAddress,
    localServicePort: decoded.localServicePort,
    localServiceSocketPath: decoded.localServiceSocketPath,
    mode: isProxyMode(mode) ? mode : '',
    config: decoded.config ?? null,
    upstreams,
    meshGatewayMode,
    exposeChecks: decoded.expose?.checks ?? false,
    exposePaths: (decoded.expose?.paths ?? []).map((path) => ({
      path: path.path,
      localPathPort: path.localPathPort,
      listenerPort: path.listenerPort,
      protocol: path.protocol,
    })),
    ...(transparent === undefined
      ? {}
      : {
          transparentProxy: {
            outboundListenerPort: transparent.outboundListenerPort,
            dialedDirectly: transparent.dialedDirectly,
          },
        }),
  }
  return { proxy, problems }
}

function convertUpstream(decoded: DecodedUpstream, problems: string[]): Upstream {
  const type = decoded.destinationType || 'service'
  if (!isDestinationType(type)) {
    problems.push(`unknown upstream destination type: ${JSON.stringify(decoded.destinationType)}`)
  }
  if (decoded.destinationPeer !== '') {
    problems.push(
      decoded.datacenter === ''
        ? 'upstream destination peer is not supported: this agent knows no cluster peering'
        : 'upstream cannot specify both destination peer and datacenter',
    )
  }
  for (const tenant of [decoded.destinationNamespace, decoded.destinationPartition]) {
    if (tenant !== '' && tenant !== 'default') {
      problems.push(`upstream namespaces and partitions are not supported: "${tenant}"`)
    }
  }
  const meshGatewayMode = decoded.meshGateway?.mode ?? ''
  problems.push(...gatewayModeProblem(meshGatewayMode))
  return {
    destinationType: isDestinationType(type) ? type : 'service',
    destinationName: decoded.destinationName,
    datacenter: decoded.datacenter,
    localBindAddress: decoded.localBindAddress,
    localBindPort: decoded.localBindPort,
    localBindSocketPath: decoded.localBindSocketPath,
    localBindSocketMode: decoded.localBindSocketMode,
    config: decoded.config ?? null,
    meshGatewayMode,
  }
}

function gatewayModeProblem(mode: string): readonly string[] {
  return MESH_GATEWAY_MODES.has(mode) ? [] : [`Invalid Mesh Gateway Mode: ${JSON.stringify(mode)}`]
}

function isProxyMode(text: string): text is ProxyConfig['mode'] {
  return text === '' || text === 'direct' || text === 'transparent'
}

function isDestinationType(text: string): text is Upstream['destinationType'] {
  return text === 'service' || text === 'prepared_query'
}

function isEmptyJson(value: Json): boolean {
  if (value === null) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
