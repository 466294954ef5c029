/**
 * Binds a server to a snapshot's address or Unix socket, and says in the agent's words when it cannot.
 *
 * Guarantees: a Unix socket is in its place, and answers there, in one step, also where another process listened before;
 * who closes one removes the file only if it is still its own.
 */

import { createHash } from 'node:crypto'
import { lstatSync, unlinkSync } from 'node:fs'
import { chmod, lstat, rename, unlink } from 'node:fs/promises'
import type { Server } from 'node:net'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import type { BindAddress } from '../../core/mesh/proxy-snapshot.ts'

export type Bind = BindAddress | { readonly socketPath: string; readonly mode: string }

export interface BindFailure {
  /** errno name. */
  readonly code: string
  readonly message: string
}

/** Asks the process before this one for the port; undefined when it has none such. The server that comes listens already. */
export type InheritPort = (bind: string) => Promise<Server | undefined>

/** sockaddr_un holds 108 bytes with the final zero; what is longer would be cut. */
const SOCKET_PATH_MAX = 107

export function bindText(bind: Bind): string {
  if ('socketPath' in bind) return bind.socketPath
  return bind.address.includes(':')
    ? `[${bind.address}]:${bind.port}`
    : `${bind.address}:${bind.port}`
}

/** @returns undefined once `server` listens, else why it does not */
export async function bindServer(
  server: Server,
  bind: Bind,
  inherit?: InheritPort,
): Promise<BindFailure | undefined> {
  try {
    if ('socketPath' in bind) {
      if (inherit === undefined) await removeStaleSocket(bind.socketPath)
      await bindUnixSocket(server, bind.socketPath, bind.mode, inherit !== undefined)
    } else {
      const inherited = await inherit?.(bindText(bind))
      await listen(server, (onListening) => {
        // In this very turn: what the inherited server accepted itself would reach nobody.
        if (inherited !== undefined) server.listen(inherited, onListening)
        else server.listen({ host: bind.address, port: bind.port, exclusive: true }, onListening)
      })
    }
    return undefined
  } catch (err) {
    const { code, message } = err as NodeJS.ErrnoException
    return { code: code ?? 'UNKNOWN', message }
  }
}

/** Closes the port. @returns a promise of all that was accepted having ended */
export async function closing(server: Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => server.close(() => resolve()))
}

/**
 * Listens under another name first, which then takes the place of whatever has that of the socket.
 *
 * @param replaces whether it may be the place of one on which somebody listens
 */
export async function bindUnixSocket(
  server: Server,
  path: string,
  mode: string,
  replaces: boolean,
): Promise<void> {
  const mark = createHash('sha256').update(path).digest('hex').slice(0, 6)
  const early = join(dirname(path), `.${process.pid}-${mark}`)
  const isLate = replaces || !(await exists(path))
  const first = isLate && Buffer.byteLength(early) <= SOCKET_PATH_MAX ? early : path
  await listen(server, (onListening) => server.listen({ path: first }, onListening))
  if (mode !== '') await chmod(first, Number.parseInt(mode, 8))
  if (first === path) return
  const { ino } = await lstat(first)
  await rename(first, path)
  server.once('close', () => removeIfSame(path, ino))
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  )
}

/** At once, as Node does with sockets that it bound itself. */
function removeIfSame(path: string, ino: number): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat?.ino === ino) unlinkSync(path)
}

async function listen(server: Server, begin: (onListening: () => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (err: Error): void => reject(err)
    server.once('error', onError)
    begin(() => {
      server.removeListener('error', onError)
      // Later errors concern single accepts (EMFILE); the listener lives on.
      server.on('error', () => {})
      resolve()
    })
  })
}

/** Removes a socket file on which nobody listens; leaves anything else for `listen` to complain about. */
export async function removeStaleSocket(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined)
  if (stat === undefined || !stat.isSocket()) return
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect({ path })
    probe.on('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (!isAlive) await unlink(path).catch(() => undefined)
}
