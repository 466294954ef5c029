/**
 * A process with many connections that each have had one answer and are kept: `node idle-crowd.ts <port> <own address>
 * <connections>`. Says `idle` when all have. Ends with its input; a connection that is closed meanwhile ends it with 1.
 */

import { connect } from 'node:net'

/** So many are opened at a time: the backlog of a listener is bounded, and so is what an upstream takes at once. */
const AT_A_TIME = 100

const [port, address = '', count] = process.argv.slice(2)

async function open(): Promise<void> {
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress: address })
  socket.on('close', () => {
    console.error('a connection was closed')
    process.exit(1)
  })
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const answer = await new Promise<string>((resolve) => {
    socket.setEncoding('latin1').once('data', resolve)
  })
  if (!answer.startsWith('HTTP/1.1 200')) throw new Error(answer)
}

for (let left = Number(count); left > 0; left -= AT_A_TIME) {
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, left) }, open))
}
console.log('idle')
process.stdin.on('end', () => process.exit(0)).resume()
