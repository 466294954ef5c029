/**
 * The parts of a cluster's name, for labels.
 */

/** `[subset.]service.namespace.datacenter.internal.<trust domain>` (mesh.md 1.4). */
export const CLUSTER_NAME = /^(?:([^.]+)\.)?([^.]+)\.([^.]+)\.([^.]+)\.(internal|external)\.(.+)$/

export function serviceOf(clusterId: string): string {
  return CLUSTER_NAME.exec(clusterId)?.[2] ?? clusterId
}
