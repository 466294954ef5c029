/**
 * A process with many keep-alive connections that all wait for one change:
 * `node bench/waiters/crowd.ts <port> <own address> <connections>`.
 *
 * Reads paths from standard input, one a line: asks each on every connection, and says `asked` when all are written and
 * `answered <wall time in ms>` when the last answer has come. Ends with its input. Bare sockets, so that the
 * crowd costs little beside the server; an answer is told by its end of header and content length.
 */

import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** So many connections are dialled at a time: the backlog of a listener is bounded. */
const DIALS_AT_A_TIME = 100

const [port, address = '', count] = process.argv.slice(2)

class Member {
  readonly socket: Socket
  #text = ''
  #answered: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1').on('data', (text: string) => this.#read(text))
    socket.on('close', () => {
      console.error('a connection was closed')
      process.exit(1)
    })
  }

  ask(path: string): Promise<void> {
    this.#text = ''
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve
    })
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    return answered
  }

  #read(text: string): void {
    this.#text += text
    const end = this.#text.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = Number(/content-length: (\d+)/i.exec(this.#text)?.[1] ?? 0)
    if (this.#text.length < end + 4 + length) return
    if (!this.#text.startsWith('HTTP/1.1 200')) throw new Error(this.#text)
    this.#answered?.()
  }
}

async function dial(): Promise<Member> {
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress: address })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return new Member(socket)
}

const members: Member[] = []
while (members.length < Number(count)) {
  const missing = Math.min(DIALS_AT_A_TIME, Number(count) - members.length)
  members.push(...(await Promise.all(Array.from({ length: missing }, dial))))
}
console.log('connected')
for await (const path of createInterface({ input: process.stdin })) {
  const answers = members.map((member) => member.ask(path))
  console.log('asked')
  await Promise.all(answers)
  console.log(`answered ${performance.timeOrigin + performance.now()}`)
}
process.exit(0)
