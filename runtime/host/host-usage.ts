/**
 * How much of this host is in use: processors, memory, a file system, in percent.
 *
 * Wraps systeminformation, which is loaded at the first call. Nothing from users is handed to it: it starts
 * programs (`df`) whose arguments are its own. Not for hot paths: a reading takes milliseconds, the first
 * one of the processors half a second. Memory that can be reclaimed counts as free.
 */

import { realpath } from 'node:fs/promises'
import { FairleadError } from '../../core/errors.ts'

export interface DiskUsage {
  readonly usedPercent: number
  /** Where the file system is mounted. */
  readonly mount: string
}

/** Since the previous call in this process. */
export async function cpuUsedPercent(): Promise<number> {
  const { currentLoad } = await import('systeminformation')
  return (await currentLoad()).currentLoad
}

export async function memoryUsedPercent(): Promise<number> {
  const { mem } = await import('systeminformation')
  const { total, available } = await mem()
  return total === 0 ? 0 : ((total - available) / total) * 100
}

/**
 * Use of the file system that holds `path`.
 *
 * @throws FairleadError NOT_FOUND when the path does not exist or lies on no known file system
 */
export async function diskUsage(path: string): Promise<DiskUsage> {
  let real: string
  try {
    real = await realpath(path)
  } catch (error) {
    throw new FairleadError('NOT_FOUND', `Path "${path}" cannot be resolved`, { cause: error })
  }
  const { fsSize } = await import('systeminformation')
  let best: DiskUsage | undefined
  for (const { mount, use } of await fsSize()) {
    if (!holds(mount, real)) continue
    if (best === undefined || mount.length > best.mount.length) best = { usedPercent: use, mount }
  }
  if (best === undefined) throw new FairleadError('NOT_FOUND', `No file system holds "${path}"`)
  return best
}

function holds(mount: string, path: string): boolean {
  return mount === '/' || path === mount || path.startsWith(`${mount}/`)
}
