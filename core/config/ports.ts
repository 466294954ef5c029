/**
 * The ports of the agent's listeners: defaults, bounds, clashes, and what those of TLS need (agent-config.md 3.2, 13).
 */

import type { AgentConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'
import { hasCertificate, type TlsConfig } from './tls.ts'

export interface PortFacts {
  readonly devMode: boolean
  readonly server: boolean
  readonly tls: TlsConfig
}

export function resolvePorts(
  reader: RawReader,
  { devMode, server, tls }: PortFacts,
): AgentConfig['ports'] {
  const ports = {
    http: reader.port('ports.http', 8500, true),
    https: reader.port('ports.https', -1, true),
    dns: reader.port('ports.dns', 8600, true),
    grpc: reader.port('ports.grpc', devMode ? 8502 : -1, true),
    grpcIsOptional: !reader.has('ports.grpc'),
    grpcTls: reader.port('ports.grpc_tls', server && canServeGrpc(tls) ? 8503 : -1, true),
    grpcTlsIsOptional: !reader.has('ports.grpc_tls'),
    server: reader.port('ports.server', 8300, false),
    serfLan: reader.port('ports.serf_lan', 8301, false),
    sidecarMin: reader.port('ports.sidecar_min_port', 21_000, false),
    sidecarMax: reader.port('ports.sidecar_max_port', 21_255, false),
  }
  if (ports.sidecarMin > ports.sidecarMax) {
    reader.problem(
      'ports.sidecar_min_port',
      `ports.sidecar_min_port ${ports.sidecarMin} cannot be greater than ports.sidecar_max_port ${ports.sidecarMax}`,
      'swap them',
    )
  }
  checkTlsPorts(reader, ports, tls)
  return ports
}

function canServeGrpc({ grpc }: TlsConfig): boolean {
  return hasCertificate(grpc) || grpc.usesAutoCert
}

function checkTlsPorts(reader: RawReader, ports: AgentConfig['ports'], tls: TlsConfig): void {
  const how = 'set tls.defaults.cert_file and key_file'
  if (ports.https >= 0 && !hasCertificate(tls.https)) {
    const message = 'ports.https is set, and tls.https has no certificate to serve with'
    reader.problem('ports.https', message, how)
  }
  if (ports.grpcTls >= 0 && !canServeGrpc(tls)) {
    const message = 'ports.grpc_tls is set, and tls.grpc has no certificate to serve with'
    reader.problem('ports.grpc_tls', message, how)
  }
  const asksForTls = ['cert_file', 'key_file', 'ca_file', 'ca_path', 'verify_incoming'].some(
    (name) => reader.has(`tls.grpc.${name}`),
  )
  if (asksForTls && ports.grpc >= 0 && ports.grpcTls < 0) {
    reader.problem(
      'ports.grpc',
      'the `ports.grpc` listener no longer supports TLS. Use `ports.grpc_tls` instead. This message is appearing because GRPC is configured to use TLS, but `ports.grpc_tls` is not defined',
      'set ports.grpc_tls, for instance to 8503',
    )
  }
}

/** Two listeners on one TCP port of one address. */
export function refuseClashes(reader: RawReader, config: AgentConfig): void {
  const listeners = [
    ...config.dnsAddresses.map((address) => {
      return { name: 'DNS', key: 'ports.dns', address, port: config.ports.dns }
    }),
    ...config.httpAddresses.map((address) => {
      return { name: 'HTTP', key: 'ports.http', address, port: config.ports.http }
    }),
    ...config.httpsAddresses.map((address) => {
      return { name: 'HTTPS', key: 'ports.https', address, port: config.ports.https }
    }),
    ...config.grpcTlsAddresses.map((address) => {
      return { name: 'gRPC TLS', key: 'ports.grpc_tls', address, port: config.ports.grpcTls }
    }),
    ...config.grpcAddresses.map((address) => {
      return { name: 'gRPC', key: 'ports.grpc', address, port: config.ports.grpc }
    }),
    {
      name: 'Serf LAN',
      key: 'ports.serf_lan',
      address: config.gossipAddress,
      port: config.ports.serfLan,
    },
    ...(config.server
      ? [
          {
            name: 'RPC',
            key: 'ports.server',
            address: config.bindAddress,
            port: config.ports.server,
          },
        ]
      : []),
  ]
  const owners = new Map<string, string>()
  for (const { name, key, address, port } of listeners) {
    if (port <= 0) continue
    const endpoint = `${address}:${port}`
    const owner = owners.get(endpoint)
    if (owner !== undefined) {
      reader.problem(
        key,
        `${name} address ${endpoint} already configured for ${owner}`,
        `give ${key} another port`,
      )
    }
    owners.set(endpoint, name)
  }
}
