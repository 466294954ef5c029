/**
 * Socket files of servers: a dead one is cleared away, a new one gets its owner and mode (agent-config.md 3.2).
 *
 * Guarantees: only a socket that nobody answers at is removed, never another file.
 */

import { readFileSync } from 'node:fs'
import { chmod, chown, lstat, rm } from 'node:fs/promises'
import { connect } from 'node:net'

export interface SocketPermissions {
  /** Names or numbers; '' leaves what the process has. */
  readonly user: string
  readonly group: string
  readonly mode: number | undefined
}

/** Makes room for a server of this path. What cannot be cleared away fails when the server listens. */
export async function clearDeadSocket(path: string): Promise<void> {
  let isSocket: boolean
  try {
    isSocket = (await lstat(path)).isSocket()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return
    throw err
  }
  if (isSocket && !(await answers(path))) await rm(path, { force: true })
}

/** @throws Error for a user or group that is not known; the system's error when this process may not */
export async function setSocketPermissions(
  path: string,
  { user, group, mode }: SocketPermissions,
): Promise<void> {
  if (user !== '' || group !== '') {
    const uid = user === '' ? process.geteuid?.() : idOf(user, '/etc/passwd', 'user')
    const gid = group === '' ? process.getegid?.() : idOf(group, '/etc/group', 'group')
    if (uid !== undefined && gid !== undefined) await chown(path, uid, gid)
  }
  if (mode !== undefined) await chmod(path, mode)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (isAnswered: boolean): void => {
      socket.destroy()
      resolve(isAnswered)
    }
    socket.once('connect', () => end(true))
    // Whatever else is wrong with it, it is not proven dead.
    socket.once('error', (err: NodeJS.ErrnoException) => end(err.code !== 'ECONNREFUSED'))
  })
}

/** Both tables have the name first and the number third. Read once at start, so synchronously. */
function idOf(name: string, table: string, what: string): number {
  if (/^[0-9]{1,10}$/.test(name)) return Number(name)
  for (const line of readFileSync(table, 'utf8').split('\n')) {
    const [found, , id] = line.split(':')
    if (found === name && id !== undefined) return Number(id)
  }
  throw new Error(`unix_sockets: there is no ${what} "${name}" in ${table}`)
}
