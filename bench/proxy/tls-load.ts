/**
 * A caller that has a new mTLS connection for every request: `node tls-load.ts <port> <seconds> <roots> <certificate> <key>
 * <server name>`. Full handshakes of TLS 1.3, CONNECTIONS at once; prints how many requests were answered.
 */

import { readFileSync } from 'node:fs'
import { connect, createSecureContext } from 'node:tls'
import { systemClock } from '../../runtime/clock/system-clock.ts'

const CONNECTIONS = 16
const [port, seconds, roots = '', cert = '', key = '', servername = ''] = process.argv.slice(2)
const secureContext = createSecureContext({
  ca: readFileSync(roots),
  cert: readFileSync(cert),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
})
const until = systemClock.now() + Number(seconds) * 1000
let answered = 0

async function once(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), secureContext, servername })
    socket.write(`GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    let text = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece
    })
    socket.on('error', reject)
    socket.on('close', () => {
      if (text.startsWith('HTTP/1.1 200')) answered++
      else reject(new Error(`no answer: ${text}`))
      resolve()
    })
  })
}

async function run(): Promise<void> {
  while (systemClock.now() < until) await once()
}

await Promise.all(Array.from({ length: CONNECTIONS }, run))
console.log(answered)
