/**
 * The file that holds the process id while the agent runs (`pid_file`).
 */

import { rm, writeFile } from 'node:fs/promises'
import { FairleadError } from '../../core/errors.ts'

/** @throws FairleadError STORAGE_FAILED */
export async function writePidFile(path: string): Promise<AsyncDisposable> {
  try {
    await writeFile(path, `${process.pid}\n`, { mode: 0o644 })
  } catch (err) {
    throw new FairleadError(
      'STORAGE_FAILED',
      `Cannot write the pid file "${path}": ${(err as Error).message}`,
      {
        cause: err,
        facts: { hint: 'name a file in a folder that exists and may be written: -pid-file' },
      },
    )
  }
  return { [Symbol.asyncDispose]: async () => await rm(path, { force: true }) }
}
