/**
 * The kinds of resources that Envoy is told of, and what their set is for one sidecar. Pure.
 *
 * A resource is canonical JSON of the published message, with `@type` wherever Envoy takes any message; who sends it
 * encodes it (runtime/rpc/envoy-codec.ts). So what is sent can be read, compared and shown as it is.
 */

import type { JsonObject } from '../catalog/types.ts'

/** In the order in which changes are sent: whatever a resource names has been sent before it (mesh.md 14.2). */
export const XDS_KINDS = ['secret', 'cluster', 'endpoints', 'listener', 'routes'] as const

export type XdsKind = (typeof XDS_KINDS)[number]

export const TYPE_URLS: Readonly<Record<XdsKind, string>> = {
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
}

/** By kind, then by name. */
export type XdsResources<R = JsonObject> = Readonly<Record<XdsKind, ReadonlyMap<string, R>>>

export function xdsKindOf(typeUrl: string): XdsKind | undefined {
  return XDS_KINDS.find((kind) => TYPE_URLS[kind] === typeUrl)
}

/** A message inside a field that takes any: its full name and its fields. */
export function anyOf(message: string, fields: JsonObject = {}): JsonObject {
  return { '@type': `type.googleapis.com/${message}`, ...fields }
}

/** Where a resource that another one names comes from: the same stream. */
export const BY_ADS: JsonObject = { ads: {}, resourceApiVersion: 'V3' }
