/**
 * Makes the names inside a directory durable: after a file was created, renamed or removed there.
 *
 * Without it the content of a new file may survive a power cut that its name does not.
 */

import { open } from 'node:fs/promises'

/** @throws what the file system says */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
