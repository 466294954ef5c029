/**
 * A gRPC service with all four kinds of call, and a client for it, by grpc-js without generated code.
 */

import {
  type Client,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'

export const same = (bytes: Buffer): Buffer => bytes
const codec = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const

const unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
  if (call.request.toString() === 'fail') {
    const metadata = new Metadata()
    metadata.set('x-why-bin', Buffer.from([0, 255]))
    done({ code: status.NOT_FOUND, details: 'no such thing: é', metadata })
    return
  }
  if (call.request.toString() === 'late') return
  const trailer = new Metadata()
  trailer.set('x-asked', String(call.metadata.get('x-ask')[0]))
  trailer.set('x-got', Object.keys(call.metadata.getMap()).sort().join())
  done(null, Buffer.concat([Buffer.from('re:'), call.request]), trailer)
}
const clientStream: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
  let sum = 0
  call.on('data', (bytes: Buffer) => {
    sum += bytes.length
  })
  call.on('end', () => done(null, Buffer.from(String(sum))))
}
const serverStream: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  for (let i = 0; i < 100; i++) call.write(Buffer.alloc(5000, i))
  call.end()
}
const bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (bytes: Buffer) => call.write(bytes))
  call.on('end', () => call.end())
}

export const methods = {
  other: { path: '/t.T/Other', requestStream: false, responseStream: false, ...codec },
  unary: { path: '/t.T/Unary', requestStream: false, responseStream: false, ...codec },
  clientStream: { path: '/t.T/Client', requestStream: true, responseStream: false, ...codec },
  serverStream: { path: '/t.T/Server', requestStream: false, responseStream: true, ...codec },
  bidi: { path: '/t.T/Bidi', requestStream: true, responseStream: true, ...codec },
}

export interface Outcome {
  readonly err: ServiceError | null
  readonly reply: Buffer | undefined
  readonly trailer: Metadata
}

export async function ask(
  client: Client,
  text: string,
  deadlineMs = 8000,
  path = methods.unary.path,
): Promise<Outcome> {
  return await new Promise((resolve) => {
    const metadata = new Metadata()
    metadata.set('x-ask', text)
    let trailer = new Metadata()
    const options = { deadline: Date.now() + deadlineMs }
    const call = client.makeUnaryRequest(
      path,
      same,
      same,
      Buffer.from(text),
      metadata,
      options,
      (err, reply) => setImmediate(() => resolve({ err, reply, trailer })),
    )
    call.on('status', (outcome) => {
      trailer = outcome.metadata
    })
  })
}

export interface GrpcService {
  readonly port: number
  close(): void
}

export async function startGrpcService(): Promise<GrpcService> {
  const server = new Server()
  server.addService(methods, { unary, other: unary, clientStream, serverStream, bidi })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (err, bound) =>
      err === null ? resolve(bound) : reject(err),
    )
  })
  return { port, close: () => server.forceShutdown() }
}
