/**
 * A snapshot of the proxy's configuration as the difference to the one before it. Pure.
 *
 * A large mesh is long lists of clusters, listeners and identities: a change is one of them mostly, so the others are not
 * sent, read and compared again. All else is sent whole. Guarantees: what `applyPatch` makes of the base equals the
 * snapshot that the patch was made of, and what did not change in the lists is the same objects as before.
 */

import { sameData } from '../catalog/equality.ts'
import type { ProxySnapshot } from './proxy-snapshot.ts'

/** Of the form below; a proxy says which it takes. */
export const PATCH_FORMAT = 2

const LISTS = ['identities', 'inbound', 'outbound', 'clusters'] as const
type ListName = (typeof LISTS)[number]
interface Identified {
  readonly id: string
}

export interface SnapshotPatch {
  /** Version of the snapshot that it changes. */
  readonly base: number
  /** In its lists is what is new or differs. */
  readonly snapshot: ProxySnapshot
  /** Ids of each list in their order; absent where they are those of the base. */
  readonly order: Readonly<Partial<Record<ListName, readonly string[]>>>
}

export function patchOf(before: ProxySnapshot, after: ProxySnapshot): SnapshotPatch {
  const order: Partial<Record<ListName, readonly string[]>> = {}
  const snapshot: Record<string, unknown> = { ...after }
  for (const name of LISTS) {
    const from: readonly Identified[] = before[name]
    const to: readonly Identified[] = after[name]
    const known = new Map(from.map((each) => [each.id, each]))
    snapshot[name] = to.filter((each) => !sameData(known.get(each.id), each))
    const isSameOrder = from.length === to.length && to.every(({ id }, i) => from[i]?.id === id)
    if (!isSameOrder) order[name] = to.map(({ id }) => id)
  }
  return { base: before.version, snapshot: snapshot as unknown as ProxySnapshot, order }
}

/** @returns undefined when the patch was made for another base */
export function applyPatch(
  before: ProxySnapshot,
  { base, snapshot, order }: SnapshotPatch,
): ProxySnapshot | undefined {
  if (before.version !== base) return undefined
  const made: Record<string, unknown> = { ...snapshot }
  for (const name of LISTS) {
    const from: readonly Identified[] = before[name]
    const changed = new Map<string, Identified>(snapshot[name].map((each) => [each.id, each]))
    const ids = order[name]
    if (ids === undefined) {
      made[name] = changed.size === 0 ? from : from.map((each) => changed.get(each.id) ?? each)
      continue
    }
    const known = new Map(from.map((each) => [each.id, each]))
    const list = ids.map((id) => changed.get(id) ?? known.get(id))
    if (list.includes(undefined)) return undefined
    made[name] = list
  }
  return made as unknown as ProxySnapshot
}
