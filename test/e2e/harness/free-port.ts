/**
 * Ports of loopback for programs that must be told theirs: free on TCP and UDP a moment ago.
 *
 * They stay free while their program is down: they are below the range that kernels give to whoever asks for any port or
 * dials out (Linux: 32,768 and up), and from a part of it that concurrent test processes do not use.
 */

import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const PORTS = { from: 10_000, count: 20_000, perProcess: 64 }
let portsTaken = 0

export async function freePort(): Promise<number> {
  for (;;) {
    const offset = process.pid * PORTS.perProcess + portsTaken
    portsTaken++
    const port = PORTS.from + (offset % PORTS.count)
    if ((await isTcpFree(port)) && (await isUdpFree(port))) return port
  }
}

async function isTcpFree(port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

async function isUdpFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(port, '127.0.0.1', () => resolve(true))
    })
  } finally {
    socket.close()
  }
}
