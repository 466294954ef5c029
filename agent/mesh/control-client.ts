/**
 * One connection from the agent to a running proxy: lines of JSON both ways (core/mesh/proxy-control.ts).
 *
 * Guarantees: `hello` has been received before `connectProxy` resolves, and is of our protocol or of a proxy that can
 * hand over. Which
 * snapshot to send when is the supervisor's business. Lines over LINE_MAX_BYTES end the connection.
 */

import { connect, type Socket } from 'node:net'
import { FairleadError } from '../../core/errors.ts'
import {
  type AgentToProxy,
  PROXY_CONTROL_PROTOCOL,
  type ProxyToAgent,
} from '../../core/mesh/proxy-control.ts'

const LINE_MAX_BYTES = 64 * 1024 * 1024

export type ProxyHello = Extract<ProxyToAgent, { kind: 'hello' }>

export interface ControlEvents {
  onMessage(message: Exclude<ProxyToAgent, ProxyHello>): void
  onClose(): void
}

export class ControlClient {
  readonly hello: ProxyHello
  readonly #socket: Socket

  constructor(socket: Socket, hello: ProxyHello) {
    this.#socket = socket
    this.hello = hello
  }

  send(message: AgentToProxy): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** @throws FairleadError INTERNAL when nobody listens, it speaks another protocol, or stays silent */
export async function connectProxy(
  socketPath: string,
  timeoutMs: number,
  events: ControlEvents,
): Promise<ControlClient> {
  return await new Promise<ControlClient>((resolve, reject) => {
    const socket = connect({ path: socketPath })
    let client: ControlClient | undefined
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy()
      if (client === undefined) reject(new FairleadError('INTERNAL', message, { cause }))
    }
    socket.setTimeout(timeoutMs, () => fail('the proxy does not answer on its control socket'))
    socket.on('error', (err) => fail('cannot reach the proxy on its control socket', err))
    socket.on('close', () => {
      if (client === undefined) fail('the proxy closed its control socket')
      else events.onClose()
    })
    onLines(socket, fail, (line) => {
      const message = parseMessage(line)
      if (message === undefined) return fail('the proxy sent a malformed message')
      if (message.kind !== 'hello') {
        if (client !== undefined) events.onMessage(message)
        return
      }
      // One of another protocol can still be told to hand over, and nothing else.
      if (message.protocol !== PROXY_CONTROL_PROTOCOL && message.handsOver !== true) {
        return fail(`the proxy speaks control protocol ${message.protocol}`)
      }
      socket.setTimeout(0)
      client = new ControlClient(socket, message)
      resolve(client)
    })
  })
}

function onLines(
  socket: Socket,
  fail: (message: string) => void,
  onLine: (line: string) => void,
): void {
  let parts: string[] = []
  let size = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    let from = 0
    for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
      parts.push(chunk.slice(from, at))
      const line = parts.join('')
      parts = []
      size = 0
      from = at + 1
      onLine(line)
    }
    if (from === chunk.length) return
    parts.push(chunk.slice(from))
    size += chunk.length - from
    if (size > LINE_MAX_BYTES) fail('the proxy sent an oversized message')
  })
}

function parseMessage(line: string): ProxyToAgent | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const isMessage = typeof value === 'object' && value !== null && 'kind' in value
    return isMessage ? (value as ProxyToAgent) : undefined
  } catch {
    return undefined
  }
}
