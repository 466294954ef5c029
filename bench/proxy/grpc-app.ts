/**
 * A gRPC application for the benchmark, `node grpc-app.ts <port>`: a message for a message, then the status as trailers.
 *
 * By Node's own HTTP/2 and without a gRPC library: it only has to keep up on its own core.
 */

import { createServer, type ServerHttp2Stream } from 'node:http2'

const REPLY = Buffer.concat([Buffer.from([0, 0, 0, 0, 11]), Buffer.from('hello world')])
const server = createServer()
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('error', () => {})
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.resume().on('end', () => {
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.end(REPLY)
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
