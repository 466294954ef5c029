/**
 * Ends this program by becoming another, as a shell's `exec` does: what supervises it sees one process.
 */

import { existsSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { UsageError } from '../command.ts'

/** Where distributions put programs that are not for every user. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/**
 * @param name as given by the user, or to be found on the PATH
 * @throws UsageError that says how to have it
 */
export function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  advice: string,
): string {
  if (name.includes('/')) {
    const path = isAbsolute(name) ? name : join(process.cwd(), name)
    if (existsSync(path)) return path
    throw new UsageError(`There is no program ${name}`)
  }
  const folders = [...(env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS]
  const path = folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate))
  if (path === undefined) throw new UsageError(`${name} is not on the PATH; ${advice}`)
  return path
}

/** Does not return. @throws when the program cannot be run */
export function replaceProcess(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): never {
  if (process.execve === undefined) throw new Error('this platform cannot replace a process')
  const entries = Object.entries(env).filter((entry) => entry[1] !== undefined)
  // Node says that this call may change, which is nothing to tell the user.
  process.removeAllListeners('warning')
  return process.execve(
    program,
    [program, ...argv],
    Object.fromEntries(entries) as NodeJS.ProcessEnv,
  )
}
