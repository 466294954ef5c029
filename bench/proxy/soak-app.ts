/**
 * An application of the soak: `node soak-app.ts <port>`. POST /<anything>?length=<bytes> is answered with so many bytes
 * that belong to this request alone, half of them in chunks, and the checksum of what came.
 */

import { createServer } from 'node:http'
import { answerTo, checksumOf } from './soak-answers.ts'

const [port = '0'] = process.argv.slice(2)

createServer((incoming, outgoing) => {
  const parts: Buffer[] = []
  incoming.on('data', (part: Buffer) => parts.push(part))
  incoming.on('error', () => {})
  incoming.on('end', () => {
    const path = incoming.url ?? ''
    const checksum = checksumOf(path, Buffer.concat(parts))
    const length = Number(/length=(\d+)/.exec(path)?.[1] ?? 0)
    const answer = answerTo(checksum, length)
    outgoing.setHeader('x-checksum', checksum)
    if (checksum < '8') outgoing.setHeader('content-length', length)
    outgoing.end(answer)
  })
}).listen(Number(port), '127.0.0.1')
