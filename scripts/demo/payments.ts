/**
 * A small real service of the demo: takes payments over plain HTTP and knows nothing of a mesh.
 *
 * Prints `listening <port>` when it serves; ends when its standard input closes, that is with its parent.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const name = process.argv[2] ?? 'payments'
let count = 0

const server = createServer((request, response) => {
  const path = request.url ?? '/'
  if (path === '/health') {
    response.end('ok\n')
    return
  }
  if (path !== '/make-payment') {
    response.writeHead(404).end('no such path\n')
    return
  }
  count++
  response.setHeader('content-type', 'application/json')
  response.end(`${JSON.stringify({ paid: true, by: name, payments: count })}\n`)
})

server.listen(0, '127.0.0.1', () => {
  console.log(`listening ${(server.address() as AddressInfo).port}`)
})
process.stdin.resume().on('end', () => process.exit(0))
