/**
 * What `fairlead agent` prints once everything listens: for people first, with Consul's keys kept, because
 * scripts read them (agent-config.md section 15).
 */

import { styleText } from 'node:util'
import type { AgentConfig } from '../../core/config/model.ts'
import { hasCertificate, type TlsConfig, type TlsStanza } from '../../core/config/tls.ts'

/** Ports as bound, which differs from the configuration where it said 0. */
export interface BoundPorts {
  readonly http: number
  readonly https: number
  readonly dns: number
  readonly grpc: number
  readonly grpcTls: number
  readonly server: number
  readonly serfLan: number
}

export interface BannerFacts {
  readonly version: string
  readonly nodeId: string
  readonly config: AgentConfig
  readonly ports: BoundPorts
  readonly isGossipEncrypted: boolean
  readonly startMs: number
}

export function formatBanner(facts: BannerFacts, colour: boolean): string {
  const { config } = facts
  const strong = (text: string): string => (colour ? styleText('bold', text) : text)
  const quiet = (text: string): string => (colour ? styleText('dim', text) : text)
  const pairs = details(facts)
  const width = Math.max(...pairs.map(([name]) => name.length)) + 4
  const lines = pairs.map(([name, value]) => `${quiet(`${name.padStart(width)}:`)} ${value}`)
  return [
    '==> Starting Fairlead agent...',
    ...lines,
    '',
    ...endpoints(facts).map(([name, where, note]) =>
      `    ${strong(name.padEnd(9))} ${where.padEnd(28)} ${quiet(note)}`.trimEnd(),
    ),
    '',
    config.devMode
      ? '    Development mode: nothing is kept, nothing is protected.'
      : `    State is kept in ${config.dataDir}.`,
    `    Ready in ${Math.round(facts.startMs)} ms. Stop with Ctrl-C.`,
    '',
    '==> Log data will now stream in as it occurs:',
    '',
  ].join('\n')
}

function details(facts: BannerFacts): readonly (readonly [string, string])[] {
  const { config, ports, isGossipEncrypted } = facts
  const client = config.clientAddresses.join(' ')
  const isBootstrap = config.bootstrapExpect === 1
  return [
    ['Version', facts.version],
    ['Node ID', `'${facts.nodeId}'`],
    ['Node name', `'${config.nodeName}'`],
    ['Datacenter', `'${config.datacenter}' (Segment: '<all>')`],
    ['Server', `${config.server} (Bootstrap: ${isBootstrap})`],
    [
      'Client Addr',
      `[${client}] (HTTP: ${ports.http}, HTTPS: ${ports.https}, gRPC: ${ports.grpc}, gRPC-TLS: ${ports.grpcTls}, DNS: ${ports.dns})`,
    ],
    ['Cluster Addr', `${config.advertiseAddress} (LAN: ${ports.serfLan}, WAN: -1)`],
    ['Gossip Encryption', String(isGossipEncrypted)],
    ['Auto-Encrypt-TLS', String(config.tls.autoEncrypt.enabled)],
    ['ACL Enabled', String(config.acl.enabled)],
    ['HTTPS TLS', verifying(ports.https >= 0, config.tls.https)],
    ['gRPC TLS', verifying(ports.grpcTls >= 0, config.tls.grpc)],
    ['Internal RPC TLS', rpcTls(config.tls)],
    [
      'Mesh',
      config.connect.enabled
        ? `on (intentions default to ${config.defaultIntentionPolicy})`
        : 'off',
    ],
  ]
}

function verifying(isOn: boolean, { verifyIncoming, minVersion }: TlsStanza): string {
  if (!isOn) return 'off'
  return `Verify Incoming: ${verifyIncoming}, Min Version: ${minVersion.replace('.', '_')}`
}

function rpcTls({ internalRpc }: TlsConfig): string {
  const { verifyOutgoing, verifyServerHostname } = internalRpc
  const isOn = verifyOutgoing || hasCertificate(internalRpc)
  if (!isOn) return 'off'
  return `${verifying(true, internalRpc)}, Verify Outgoing: ${verifyOutgoing}, Verify Server Hostname: ${verifyServerHostname}`
}

function endpoints(facts: BannerFacts): readonly (readonly [string, string, string])[] {
  const { config, ports } = facts
  const rows: [string, string, string][] = []
  for (const address of new Set([
    ...config.httpAddresses,
    ...config.httpsAddresses,
    ...config.dnsAddresses,
  ])) {
    const host = address.includes(':') ? `[${address}]` : address
    const reach = address === '0.0.0.0' ? '127.0.0.1' : address
    if (ports.http >= 0 && config.httpAddresses.includes(address)) {
      const isDefault = address === '127.0.0.1' && ports.http === 8500
      const note = isDefault
        ? 'fairlead members'
        : `fairlead members -http-addr ${reach}:${ports.http}`
      rows.push(['HTTP API', `http://${host}:${ports.http}`, note])
    }
    if (ports.https >= 0 && config.httpsAddresses.includes(address)) {
      const note = `fairlead members -http-addr https://${reach}:${ports.https} -ca-file ca.pem`
      rows.push(['HTTPS API', `https://${host}:${ports.https}`, note])
    }
    if (ports.dns >= 0 && config.dnsAddresses.includes(address)) {
      const name = `consul.service.${config.domain}`
      rows.push(['DNS', `${host}:${ports.dns} (udp, tcp)`, `dig @${reach} -p ${ports.dns} ${name}`])
    }
  }
  return rows
}
