/**
 * Binds a server to a snapshot's address or Unix socket, and says in the agent's words when it cannot.
 */

import { chmod, lstat, unlink } from 'node:fs/promises'
import type { Server } from 'node:net'
import { connect } from 'node:net'
import type { BindAddress } from '../../core/mesh/proxy-snapshot.ts'

export type Bind = BindAddress | { readonly socketPath: string; readonly mode: string }

export interface BindFailure {
  /** errno name. */
  readonly code: string
  readonly message: string
}

export function bindText(bind: Bind): string {
  if ('socketPath' in bind) return bind.socketPath
  return bind.address.includes(':')
    ? `[${bind.address}]:${bind.port}`
    : `${bind.address}:${bind.port}`
}

/** @returns undefined once `server` listens, else why it does not */
export async function bindServer(server: Server, bind: Bind): Promise<BindFailure | undefined> {
  try {
    if ('socketPath' in bind) await removeStaleSocket(bind.socketPath)
    await listen(server, bind)
    if ('socketPath' in bind && bind.mode !== '') {
      await chmod(bind.socketPath, Number.parseInt(bind.mode, 8))
    }
    return undefined
  } catch (err) {
    const { code, message } = err as NodeJS.ErrnoException
    return { code: code ?? 'UNKNOWN', message }
  }
}

async function listen(server: Server, bind: Bind): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (err: Error): void => reject(err)
    server.once('error', onError)
    const onListening = (): void => {
      server.removeListener('error', onError)
      // Later errors concern single accepts (EMFILE); the listener lives on.
      server.on('error', () => {})
      resolve()
    }
    if ('socketPath' in bind) server.listen({ path: bind.socketPath }, onListening)
    else server.listen({ host: bind.address, port: bind.port, exclusive: true }, onListening)
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
