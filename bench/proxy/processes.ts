/**
 * What benchmarks of the proxy do with processes: wait until one listens, find ports, end one.
 */

import type { ChildProcess } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { systemClock } from '../../runtime/clock/system-clock.ts'

const READY_MAX_MS = 10_000

/** NGINX must end by itself: killed, it leaves its worker behind. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), 2000)
  await gone
  clearTimeout(kill)
}

/** @throws when nobody listens on the port of loopback, or the path, in time */
export async function ready(where: number | string): Promise<void> {
  const deadline = systemClock.now() + READY_MAX_MS
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket =
        typeof where === 'number'
          ? connect({ port: where, host: '127.0.0.1' })
          : connect({ path: where })
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isOpen) return
    if (systemClock.now() > deadline) throw new Error(`nothing listens on ${where}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  const ports: number[] = []
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) server.close()
  return ports
}
