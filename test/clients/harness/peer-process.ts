/**
 * A program of another project that runs for as long as a test needs it, and ports for it.
 *
 * Guarantees: it has ended when it is disposed of. Its output explains a failure.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

export interface PeerProcess extends AsyncDisposable {
  readonly output: () => string
  readonly isRunning: () => boolean
}

export function startPeer(program: string, argv: readonly string[]): PeerProcess {
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = new Promise<void>((resolve) => {
    child.on('error', (err) => {
      output += String(err)
      resolve()
    })
    child.on('exit', () => resolve())
  })
  return {
    output: () => output,
    isRunning: () => isRunning(child),
    [Symbol.asyncDispose]: async () => {
      if (isRunning(child)) child.kill('SIGKILL')
      await ended
    },
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** A port that nobody had on either transport a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket('udp4')
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
      return port
    } catch {
      // taken on UDP: try the next
    } finally {
      udp.close()
      tcp.close()
    }
  }
}
