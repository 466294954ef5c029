/**
 * How failures around snapshot files are told: damage, which another server can heal, or a failing disk.
 */

import { FairleadError } from '../../core/errors.ts'

/** Codes of the system that say the bytes are gone, not that the system refuses to give them now. */
const DAMAGE_CODES = new Set(['EIO', 'ENOENT', 'ENOTDIR', 'EISDIR', 'EBADMSG', 'EUCLEAN'])

export function damaged(directory: string, file: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'STORAGE_CORRUPT',
    `Snapshot "${directory}" is damaged: "${file}" cannot be read or fails its checksum`,
    { cause, facts: { directory, file } },
  )
}

export function readFailure(directory: string, file: string, cause: unknown): FairleadError {
  if (cause instanceof FairleadError) return cause
  const code = codeOf(cause)
  if (code !== null && DAMAGE_CODES.has(code)) return damaged(directory, file, cause)
  return failed('read', directory, cause)
}

export function failed(act: string, directory: string, cause: unknown): FairleadError {
  if (cause instanceof FairleadError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  return new FairleadError('STORAGE_FAILED', `Failed to ${act} snapshot "${directory}": ${text}`, {
    cause,
  })
}

/** Another stream took the image over, or it has been finished or given up. */
export function receptionEnded(name: string): FairleadError {
  return new FairleadError('BUSY', `The reception of snapshot "${name}" has ended`)
}

export function isMissing(cause: unknown): boolean {
  return codeOf(cause) === 'ENOENT'
}

function codeOf(cause: unknown): string | null {
  if (!(cause instanceof Error) || !('code' in cause)) return null
  return typeof cause.code === 'string' ? cause.code : null
}
