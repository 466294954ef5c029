/**
 * The commands that replace the whole state by a user's snapshot (raft.md 13.3): begin, pieces, end.
 *
 * One at a time. Guarantees: until `end` nothing that can be read changes; `end` replaces every table at its
 * own index, or nothing; no index that a read reports goes back. Kept from before: which requests were
 * applied, the stamped time, and how many serial numbers the CA has given out.
 */

import { FairleadError } from '../errors.ts'
import type { Command, Outcome } from './commands.ts'
import { refuse } from './draft.ts'
import {
  RESTORE_ABANDONED_MS,
  RESTORE_IDLE_MS,
  RESTORE_PIECE_SIZE_MAX,
  StagedRestore,
} from './staged-restore.ts'
import { EMPTY_INDEXES, type State, type TableIndexes } from './state.ts'

export type RestoreCommand = Extract<
  Command,
  { kind: 'restore.begin' | 'restore.piece' | 'restore.end' | 'restore.abort' }
>

/** What a command of a restore leaves. */
export interface RestoreStep {
  readonly result: Outcome
  readonly staged: StagedRestore | null
  /** The image's state, at `restore.end`. */
  readonly state?: State
}

const DONE: Outcome = { ok: true, value: true }

export function isRestoreCommand(command: Command): command is RestoreCommand {
  return command.kind.startsWith('restore.')
}

/** Null when what is staged has been left alone for too long. */
export function unlessIdle(staged: StagedRestore | null, clock: number): StagedRestore | null {
  return staged !== null && clock - staged.touchedAt > RESTORE_IDLE_MS ? null : staged
}

export function stepRestore(staged: StagedRestore | null, command: RestoreCommand): RestoreStep {
  if (command.kind === 'restore.begin') return begin(staged, command)
  if (staged === null || staged.id !== command.id) {
    const isGone = command.kind === 'restore.abort'
    return { staged, result: isGone ? DONE : refusedBy(`no restore "${command.id}" is under way`) }
  }
  switch (command.kind) {
    case 'restore.piece':
      return take(staged, command)
    case 'restore.end':
      return end(staged, command)
    case 'restore.abort':
      return { staged: null, result: DONE }
  }
}

/** The state that takes the place of `present`: the image's, with indexes that go on from here. */
export function restoredState(present: State, image: State, index: number): State {
  const indexes: { -readonly [K in keyof TableIndexes]: number } = { ...EMPTY_INDEXES }
  for (const table of Object.keys(indexes) as (keyof TableIndexes)[]) indexes[table] = index
  return {
    ...image,
    lastIndex: index,
    restoredAt: index,
    indexes,
    clock: Math.max(present.clock, image.clock),
    caSerial: Math.max(present.caSerial, image.caSerial),
  }
}

function begin(
  staged: StagedRestore | null,
  { id, now }: Extract<RestoreCommand, { kind: 'restore.begin' }>,
): RestoreStep {
  const isBusy =
    staged !== null && staged.id !== id && now - staged.touchedAt <= RESTORE_ABANDONED_MS
  if (isBusy) return { staged, result: refusedBy('another restore is under way') }
  return { staged: new StagedRestore(id, now), result: DONE }
}

function take(
  staged: StagedRestore,
  { offset, bytes, now }: Extract<RestoreCommand, { kind: 'restore.piece' }>,
): RestoreStep {
  if (bytes.length > RESTORE_PIECE_SIZE_MAX) {
    const { code, message } = refuse(
      `a piece of a restore has ${bytes.length} bytes, at most ${RESTORE_PIECE_SIZE_MAX} are allowed`,
      'TOO_LARGE',
    )
    return { staged, result: { ok: false, code, message } }
  }
  if (offset + bytes.length <= staged.received && offset < staged.received) {
    return { staged, result: DONE }
  }
  if (offset !== staged.received) {
    const result = refusedBy(`the restore goes on at ${staged.received}, not at ${offset}`)
    return { staged, result }
  }
  try {
    staged.push(bytes)
  } catch (thrown) {
    return over(thrown)
  }
  staged.touchedAt = Math.max(staged.touchedAt, now)
  return { staged, result: DONE }
}

function end(
  staged: StagedRestore,
  { sizeBytes, digest }: Extract<RestoreCommand, { kind: 'restore.end' }>,
): RestoreStep {
  try {
    return { staged: null, result: DONE, state: staged.finish(sizeBytes, digest) }
  } catch (thrown) {
    return over(thrown)
  }
}

function over(thrown: unknown): RestoreStep {
  if (!(thrown instanceof FairleadError)) throw thrown
  return { staged: null, result: { ok: false, code: thrown.code, message: thrown.message } }
}

function refusedBy(message: string): Outcome {
  return { ok: false, ...refuse(message) }
}
