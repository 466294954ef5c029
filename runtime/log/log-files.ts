/**
 * Names of the files that a log is written to, and which of them are old (agent-config.md 3.4). Pure.
 *
 * `/var/log/fairlead/` is a folder of `fairlead-<time>.log`; `/var/log/agent.log` gives `agent-<time>.log` beside it.
 */

import { basename, dirname, extname, join } from 'node:path'
import type { WallTime } from '../../core/time.ts'

export interface LogFileNames {
  readonly folder: string
  readonly stem: string
  readonly extension: string
}

/** @param path `log_file` as configured */
export function logFileNames(path: string): LogFileNames {
  if (path.endsWith('/')) return { folder: path, stem: 'fairlead', extension: '.log' }
  const extension = extname(path)
  return {
    folder: dirname(path),
    stem: basename(path, extension),
    extension: extension === '' ? '.log' : extension,
  }
}

/** Sorts by name as by time, until the year 2286. */
export function logFilePath({ folder, stem, extension }: LogFileNames, now: WallTime): string {
  return join(folder, `${stem}-${String(now).padStart(13, '0')}${extension}`)
}

/**
 * @param present names in the folder
 * @param keep files besides the one that is written to; 0 keeps all, below 0 none
 * @returns those to delete
 */
export function oldLogFiles(
  { stem, extension }: LogFileNames,
  present: readonly string[],
  current: string,
  keep: number,
): readonly string[] {
  if (keep === 0) return []
  const others = present.filter((name) => {
    const time = name.slice(stem.length + 1, name.length - extension.length)
    const isOurs = name === `${stem}-${time}${extension}` && /^[0-9]{13,}$/.test(time)
    return isOurs && name !== current
  })
  others.sort()
  return others.slice(0, Math.max(0, others.length - keep))
}
