/**
 * Makes the names inside a directory durable: after a file was created, renamed or removed there.
 *
 * Without it the content of a new file may survive a power cut that its name, or that of a directory above it, does
 * not.
 */

import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** @throws what the file system says */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes a directory that only its owner reads, with the parents that are missing, and makes their names durable.
 * Nothing is synced when it is there.
 *
 * @throws what the file system says
 */
export async function makeDurableDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  const end = dirname(resolve(made))
  for (let directory = resolve(path); directory !== end; directory = dirname(directory)) {
    await syncDirectory(dirname(directory))
  }
}
