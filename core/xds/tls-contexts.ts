/**
 * Certificates for Envoy: secrets, and the TLS contexts that name them (mesh.md 10.1, 14.4). Pure.
 *
 * Listeners and clusters hold names only, so the renewal of a leaf or a change of the roots sends secrets and nothing
 * else: no listener is drained and no cluster warmed for it.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { Cluster, ProxyIdentity, ProxyProtocol } from '../mesh/proxy-snapshot.ts'
import { anyOf, BY_ADS, TYPE_URLS } from './resource-types.ts'

const TLS = 'envoy.extensions.transport_sockets.tls.v3'
export const ROOTS_SECRET = 'roots'
const VERSIONS = { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' }

export function leafSecretName(service: string): string {
  return `leaf:${service}`
}

export function leafSecret(name: string, identity: ProxyIdentity): JsonObject {
  return {
    '@type': TYPE_URLS.secret,
    name,
    tlsCertificate: {
      certificateChain: { inlineString: identity.certPem },
      privateKey: { inlineString: identity.keyPem },
    },
  }
}

export function rootsSecret(rootsPem: readonly string[]): JsonObject {
  const pem = rootsPem.map((root) => (root.endsWith('\n') ? root : `${root}\n`)).join('')
  return {
    '@type': TYPE_URLS.secret,
    name: ROOTS_SECRET,
    validationContext: { trustedCa: { inlineString: pem } },
  }
}

/** Of the public listener: only holders of a certificate of this mesh get further. */
export function inboundTls(service: string, protocol: ProxyProtocol): JsonObject {
  const alpn = alpnOf(protocol)
  return {
    name: 'tls',
    typedConfig: anyOf(`${TLS}.DownstreamTlsContext`, {
      commonTlsContext: {
        tlsParams: VERSIONS,
        ...(alpn.length === 0 ? {} : { alpnProtocols: alpn }),
        tlsCertificateSdsSecretConfigs: [named(leafSecretName(service))],
        validationContextSdsSecretConfig: named(ROOTS_SECRET),
      },
      requireClientCertificate: true,
    }),
  }
}

/** Of a cluster: our leaf out, and the server's one URI name must be among those expected. */
export function outboundTls(service: string, cluster: Cluster): JsonObject {
  return {
    name: 'tls',
    typedConfig: anyOf(`${TLS}.UpstreamTlsContext`, {
      commonTlsContext: {
        tlsParams: VERSIONS,
        tlsCertificateSdsSecretConfigs: [named(leafSecretName(service))],
        combinedValidationContext: {
          defaultValidationContext: {
            matchTypedSubjectAltNames: cluster.spiffeUris.map((uri) => ({
              sanType: 'URI',
              matcher: { exact: uri },
            })),
          },
          validationContextSdsSecretConfig: named(ROOTS_SECRET),
        },
      },
      sni: cluster.sni,
    }),
  }
}

function alpnOf(protocol: ProxyProtocol): string[] {
  switch (protocol) {
    case 'http':
      return ['http/1.1']
    case 'http2':
    case 'grpc':
      return ['h2', 'http/1.1']
    case 'tcp':
    case 'auto':
      return []
  }
}

function named(name: string): JsonObject {
  return { name, sdsConfig: BY_ADS }
}
