/**
 * A snapshot of the proxy's configuration as the difference to the one before it. Pure.
 *
 * A large mesh is clusters: a change is one of them mostly, so the others are not sent, read and compared again. All
 * else is sent whole. Guarantees: what `applyPatch` makes of the base equals the snapshot that the patch was made of, and
 * clusters that did not change are the same objects as before. Clusters are in the order of their ids, as
 * build-snapshot.ts has them.
 */

import { sameData } from '../catalog/equality.ts'
import type { ProxySnapshot } from './proxy-snapshot.ts'

export interface SnapshotPatch {
  /** Version of the snapshot that it changes. */
  readonly base: number
  /** Its clusters are those that are new or differ. */
  readonly snapshot: ProxySnapshot
  /** Ids of clusters that are gone. */
  readonly removed: readonly string[]
}

export function patchOf(before: ProxySnapshot, after: ProxySnapshot): SnapshotPatch {
  const gone = new Map(before.clusters.map((cluster) => [cluster.id, cluster]))
  const clusters = after.clusters.filter((cluster) => {
    const known = gone.get(cluster.id)
    gone.delete(cluster.id)
    return known === undefined || !sameData(known, cluster)
  })
  return { base: before.version, snapshot: { ...after, clusters }, removed: [...gone.keys()] }
}

/** @returns undefined when the patch was made for another base */
export function applyPatch(
  before: ProxySnapshot,
  { base, snapshot, removed }: SnapshotPatch,
): ProxySnapshot | undefined {
  if (before.version !== base) return undefined
  const clusters = new Map(before.clusters.map((cluster) => [cluster.id, cluster]))
  for (const id of removed) clusters.delete(id)
  for (const cluster of snapshot.clusters) clusters.set(cluster.id, cluster)
  const inOrder = [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  return { ...snapshot, clusters: inOrder }
}
