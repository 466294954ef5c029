/**
 * What the certificate authority keeps in the state: configuration, roots, its signing key, the counter of
 * serial numbers (mesh.md 4.1, 4.2, 4.5). Stores what the leader's CA made; makes no certificate.
 *
 * The signing key is part of the log and the image and leaves through no read.
 */

import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import type { State } from './state.ts'
import type { CaConfig, CaRoot, CaRoots, Indexed } from './types.ts'

export const SERIALS_AT_ONCE_MAX = 1_000_000
export const ROOTS_MAX = 64

export function rootsOf(state: State): CaRoots {
  const clusterId = state.caConfig?.clusterId ?? ''
  return {
    activeRootId: state.caRoots.find((root) => root.active)?.id ?? '',
    trustDomain: clusterId === '' ? '' : `${clusterId}.consul`.toLowerCase(),
    roots: state.caRoots,
    ...(state.caRevocations.length === 0 ? {} : { revocations: state.caRevocations }),
  }
}

/** The index that a read of the roots reports: their trust domain comes with the first configuration. */
export function rootsIndex(state: State): number {
  return Math.max(1, state.indexes.caRoots, state.caConfig?.createIndex ?? 0)
}

/** @returns false when `cas` is given and is not the modify index of the configuration (0: none yet) */
export function setCaConfig(
  draft: Draft,
  command: Extract<Command, { kind: 'ca.config.set' }>,
): boolean {
  const existing = draft.next.caConfig
  if (command.cas !== undefined && command.cas !== (existing?.modifyIndex ?? 0)) return false
  putCaConfig(draft, command.config)
  return true
}

function putCaConfig(draft: Draft, given: Omit<CaConfig, keyof Indexed>): void {
  const existing = draft.next.caConfig
  const record: CaConfig = {
    ...given,
    clusterId: existing?.clusterId ?? given.clusterId,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
  if (existing !== null && sameData(existing, record)) return
  draft.next.caConfig = { ...record, modifyIndex: draft.index }
  touchTable(draft, 'caConfig')
  if (existing?.clusterId !== record.clusterId) noteRoots(draft)
}

/**
 * Replaces every root and the signing key, and the configuration where one is given.
 *
 * @returns false when the roots have changed since `cas`: the index of the last change, or the one a read
 *   reported; or the configuration since its own
 */
export function setCaRoots(
  draft: Draft,
  command: Extract<Command, { kind: 'ca.roots.set' }>,
): boolean | Refusal {
  const active = command.roots.filter((root) => root.active)
  if (active.length !== 1) return refuse('there must be exactly one active CA root')
  if (command.roots.length > ROOTS_MAX) {
    return refuse(`there must be at most ${ROOTS_MAX} CA roots`)
  }
  const isCurrent = command.cas === draft.indexes.caRoots || command.cas === rootsIndex(draft.next)
  if (!isCurrent) return false
  if (command.config !== undefined) {
    if (command.config.cas !== (draft.next.caConfig?.modifyIndex ?? 0)) return false
    putCaConfig(draft, command.config.record)
  }
  const known = new Map(draft.next.caRoots.map((root) => [root.id, root]))
  draft.next.caRoots = command.roots.map((root) =>
    settleRoot(known.get(root.id), root, draft.index),
  )
  draft.next.caProvider = command.provider
  touchTable(draft, 'caRoots')
  noteRoots(draft)
  return true
}

/** @returns the first of `count` numbers that nobody else gets */
export function takeSerials(draft: Draft, count: number): number | Refusal {
  const isSound = Number.isSafeInteger(count) && count >= 1 && count <= SERIALS_AT_ONCE_MAX
  if (!isSound) return refuse(`count must be in 1..${SERIALS_AT_ONCE_MAX}`)
  const first = draft.next.caSerial + 1
  draft.next.caSerial += count
  return first
}

function settleRoot(
  before: CaRoot | undefined,
  given: Omit<CaRoot, 'createIndex' | 'modifyIndex'>,
  index: number,
): CaRoot {
  if (before === undefined) return { ...given, createIndex: index, modifyIndex: index }
  const same = { ...given, createIndex: before.createIndex, modifyIndex: before.modifyIndex }
  return sameData(before, same) ? before : { ...same, modifyIndex: index }
}

export function noteRoots(draft: Draft): void {
  draft.changes.roots = rootsOf(draft.next)
}
