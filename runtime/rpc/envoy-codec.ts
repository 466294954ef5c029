/**
 * Resources of Envoy from canonical JSON to the bytes of the published messages, and requests of Envoy back.
 *
 * Guarantees: a field that the messages do not have is an error, never left out silently. The same JSON gives the same
 * bytes, and the version is a hash of them.
 */

import { createHash } from 'node:crypto'
import {
  create,
  createRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
} from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import type { JsonObject } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { DeltaRequest, DeltaResponse } from '../../core/xds/delta-session.ts'
import { TYPE_URLS, xdsKindOf } from '../../core/xds/resource-types.ts'
import { file_envoy_aggregate } from '../../proto/gen/envoy_aggregate_pb.ts'
import { file_envoy_cluster } from '../../proto/gen/envoy_cluster_pb.ts'
import { file_envoy_connection_limit } from '../../proto/gen/envoy_connection_limit_pb.ts'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from '../../proto/gen/envoy_discovery_pb.ts'
import { file_envoy_endpoint } from '../../proto/gen/envoy_endpoint_pb.ts'
import { file_envoy_http_connection_manager } from '../../proto/gen/envoy_http_connection_manager_pb.ts'
import { file_envoy_http_rbac } from '../../proto/gen/envoy_http_rbac_pb.ts'
import { file_envoy_listener } from '../../proto/gen/envoy_listener_pb.ts'
import { file_envoy_network_rbac } from '../../proto/gen/envoy_network_rbac_pb.ts'
import { file_envoy_route } from '../../proto/gen/envoy_route_pb.ts'
import { file_envoy_router } from '../../proto/gen/envoy_router_pb.ts'
import { file_envoy_tcp_proxy } from '../../proto/gen/envoy_tcp_proxy_pb.ts'
import { file_envoy_tls } from '../../proto/gen/envoy_tls_pb.ts'
import { file_envoy_upstream_http } from '../../proto/gen/envoy_upstream_http_pb.ts'

/** Of an Envoy with many subscriptions; clusters and endpoints of a whole fleet go the other way. */
export const XDS_REQUEST_BYTES_MAX = 8 * 1024 * 1024

const REGISTRY = createRegistry(
  file_envoy_aggregate,
  file_envoy_cluster,
  file_envoy_connection_limit,
  file_envoy_endpoint,
  file_envoy_http_connection_manager,
  file_envoy_http_rbac,
  file_envoy_listener,
  file_envoy_network_rbac,
  file_envoy_route,
  file_envoy_router,
  file_envoy_tcp_proxy,
  file_envoy_tls,
  file_envoy_upstream_http,
)

const VERSION_DIGITS = 16

export interface EncodedResource {
  readonly version: string
  readonly any: Any
}

/** Who is at the other end; Envoy says it once. */
export interface XdsNode {
  readonly id: string
  readonly cluster: string
  /** `envoy 1.40.0` */
  readonly program: string
}

export interface XdsRequest {
  readonly node: XdsNode | undefined
  readonly typeUrl: string
  /** Undefined for a type of resource that is not served. */
  readonly delta: DeltaRequest | undefined
}

/** @throws FairleadError INTERNAL for what is no such message */
export function encodeResource(resource: JsonObject): EncodedResource {
  let any: Any
  try {
    any = fromJson(AnySchema, resource as JsonValue, { registry: REGISTRY })
  } catch (err) {
    const message = `a resource of Envoy cannot be encoded: ${(err as Error).message}`
    throw new FairleadError('INTERNAL', message, { cause: err })
  }
  const hash = createHash('sha256').update(any.value).digest('hex')
  return { version: hash.slice(0, VERSION_DIGITS), any }
}

export function encodeXdsResponse(response: DeltaResponse<EncodedResource>): Buffer {
  const message = create(DeltaDiscoveryResponseSchema, {
    typeUrl: TYPE_URLS[response.kind],
    nonce: response.nonce,
    resources: response.resources.map(([name, { version, any }]) => ({
      name,
      version,
      resource: any,
    })),
    removedResources: [...response.removed],
  })
  return Buffer.from(toBinary(DeltaDiscoveryResponseSchema, message))
}

/** @throws FairleadError BAD_REQUEST */
export function decodeXdsRequest(bytes: Uint8Array): XdsRequest {
  let message: DeltaDiscoveryRequest
  try {
    message = fromBinary(DeltaDiscoveryRequestSchema, bytes)
  } catch (err) {
    throw new FairleadError('BAD_REQUEST', 'not a DeltaDiscoveryRequest', { cause: err })
  }
  const { node, errorDetail } = message
  const kind = xdsKindOf(message.typeUrl)
  return {
    node:
      node === undefined
        ? undefined
        : { id: node.id, cluster: node.cluster, program: programOf(node) },
    typeUrl: message.typeUrl,
    delta:
      kind === undefined
        ? undefined
        : {
            kind,
            subscribe: message.resourceNamesSubscribe,
            unsubscribe: message.resourceNamesUnsubscribe,
            initialVersions: message.initialResourceVersions,
            nonce: message.responseNonce,
            error: errorDetail === undefined ? undefined : errorDetail.message || 'no reason given',
          },
  }
}

function programOf(node: NonNullable<DeltaDiscoveryRequest['node']>): string {
  const { case: kind, value } = node.userAgentVersionType
  if (kind === 'userAgentVersion') return `${node.userAgentName} ${value}`
  const version = kind === 'userAgentBuildVersion' ? value.version : undefined
  if (version === undefined) return node.userAgentName
  return `${node.userAgentName} ${version.majorNumber}.${version.minorNumber}.${version.patch}`
}
