/**
 * Tells systemd how the agent fares, through the program `systemd-notify` (Node has no datagram Unix
 * sockets). Does nothing without NOTIFY_SOCKET.
 *
 * Never waited for on a path that serves: a message is sent and forgotten, in order, at most
 * `QUEUE_MAX` waiting (then the oldest is dropped). `settled` lets a stopping agent finish sending.
 */

import { execFile } from 'node:child_process'
import type { Logger } from '../../core/log.ts'

const QUEUE_MAX = 16
const TIMEOUT_MS = 5_000

export interface ServiceManager {
  ready(status: string): void
  status(status: string): void
  /** Between this and the next `ready` the unit shows as reloading. */
  reloading(): void
  stopping(): void
  settled(): Promise<void>
}

/** @param monotonicUs CLOCK_MONOTONIC in µs, which systemd wants with RELOADING=1 */
export function createServiceManager(
  env: Readonly<Record<string, string | undefined>>,
  deps: { readonly log: Logger; readonly monotonicUs: () => bigint },
): ServiceManager {
  const socket = env['NOTIFY_SOCKET']
  if (socket === undefined || socket === '') return silent
  const queue: (readonly string[])[] = []
  let running: Promise<void> | undefined
  const pump = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await notify(next, socket, deps.log)
    }
    running = undefined
  }
  const send = (...assignments: readonly string[]): void => {
    queue.push([`MAINPID=${process.pid}`, ...assignments])
    if (queue.length > QUEUE_MAX) queue.shift()
    running ??= pump()
  }
  return {
    ready: (status) => send('READY=1', `STATUS=${status}`),
    status: (status) => send(`STATUS=${status}`),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${deps.monotonicUs()}`),
    stopping: () => send('STOPPING=1', 'STATUS=Stopping'),
    settled: async () => {
      while (running !== undefined) await running
    },
  }
}

const silent: ServiceManager = {
  ready: () => {},
  status: () => {},
  reloading: () => {},
  stopping: () => {},
  settled: async () => {},
}

/** A service manager that cannot be told is no reason to stop serving. */
async function notify(assignments: readonly string[], socket: string, log: Logger): Promise<void> {
  await new Promise<void>((resolve) => {
    const options = {
      timeout: TIMEOUT_MS,
      env: { NOTIFY_SOCKET: socket, PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
    }
    execFile('systemd-notify', [...assignments], options, (err) => {
      if (err !== null) log.warn('systemd could not be notified', { err })
      resolve()
    })
  })
}
