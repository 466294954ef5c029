/**
 * Records with every field set, and changes to them, for the tests of the wire forms.
 */

import type {
  CheckRecord,
  NodeRecord,
  ProxyConfig,
  ServiceRecord,
} from '../../../../../core/catalog/types.ts'

export function node(change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    id: '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11',
    node: 'vm-a',
    address: '10.0.0.5',
    datacenter: 'dc1',
    taggedAddresses: { wan: '1.2.3.4', lan: '10.0.0.5' },
    meta: { rack: 'r7' },
    createIndex: 12,
    modifyIndex: 14,
    ...change,
  }
}

export function service(change: Partial<ServiceRecord> = {}): ServiceRecord {
  return {
    node: 'vm-a',
    kind: '',
    id: 'web-1',
    service: 'web',
    tags: ['v2'],
    address: '10.0.0.5',
    port: 8080,
    socketPath: '',
    taggedAddresses: { lan_ipv4: { address: '10.0.0.5', port: 8080 } },
    meta: { owner: 'ops' },
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    connectNative: false,
    createIndex: 31,
    modifyIndex: 31,
    ...change,
  }
}

export function check(change: Partial<CheckRecord> = {}): CheckRecord {
  return {
    node: 'vm-a',
    checkId: 'service:web-1',
    name: "Service 'web' check",
    status: 'passing',
    notes: '',
    output: 'ok',
    serviceId: 'web-1',
    serviceName: 'web',
    serviceTags: ['v2'],
    type: 'http',
    interval: '10s',
    timeout: '1s',
    exposedPort: 0,
    definition: {},
    createIndex: 32,
    modifyIndex: 40,
    ...change,
  }
}

export const PROXY: ProxyConfig = {
  destinationServiceName: 'web',
  destinationServiceId: 'web-1',
  localServiceAddress: '127.0.0.1',
  localServicePort: 8080,
  localServiceSocketPath: '',
  mode: '',
  config: { b: 1, a: { c: '<' } },
  upstreams: [
    {
      destinationType: 'service',
      destinationName: 'db',
      datacenter: '',
      localBindAddress: '',
      localBindPort: 5000,
      localBindSocketPath: '',
      localBindSocketMode: '',
      config: null,
      meshGatewayMode: '',
    },
  ],
  meshGatewayMode: 'local',
  exposeChecks: true,
  exposePaths: [{ path: '/health', localPathPort: 8080, listenerPort: 21500, protocol: 'http' }],
  transparentProxy: { outboundListenerPort: 15001, dialedDirectly: true },
}
