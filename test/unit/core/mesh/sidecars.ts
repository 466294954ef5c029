/**
 * Registrations of sidecars and upstreams for tests.
 */

import type { ProxyConfig, ServiceDefinition, Upstream } from '../../../../core/catalog/types.ts'

export function sidecarOf(
  service: string,
  port: number,
  upstreams: Upstream[] = [],
): ServiceDefinition {
  const proxy: ProxyConfig = {
    destinationServiceName: service,
    destinationServiceId: service,
    localServiceAddress: '127.0.0.1',
    localServicePort: 9000,
    localServiceSocketPath: '',
    mode: '',
    config: null,
    upstreams,
    meshGatewayMode: '',
    exposeChecks: false,
    exposePaths: [],
  }
  return {
    kind: 'connect-proxy',
    id: `${service}-sidecar-proxy`,
    service: `${service}-sidecar-proxy`,
    tags: [],
    address: '',
    port,
    socketPath: '',
    taggedAddresses: {},
    meta: null,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    proxy,
    connectNative: false,
  }
}

export function upstreamTo(
  destinationName: string,
  localBindPort: number,
  datacenter = '',
): Upstream {
  return {
    destinationType: 'service',
    destinationName,
    datacenter,
    localBindAddress: '',
    localBindPort,
    localBindSocketPath: '',
    localBindSocketMode: '',
    config: null,
    meshGatewayMode: '',
  }
}
