/**
 * What two readers make of the same bytes of HTTP/1: ours, and Node's llhttp behind its own server.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { duplexPair } from 'node:stream'
import {
  BODY_NONE,
  BODY_STREAM,
  type RequestHead,
  ResponseHead,
  wireText,
} from '../../../proxy/http1/message.ts'
import { Http1ServerConnection } from '../../../proxy/http1/server-connection.ts'
import { bench, ScriptedCall, settle } from '../../unit/proxy/memory-wire.ts'

export interface Message {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly body: string
}

export interface NodeMessage extends Message {
  readonly version: string
  /** In order, names as they came. */
  readonly fields: readonly (readonly [name: string, value: string])[]
}

export interface Reading<M extends Message = Message> {
  /** Whole messages, in order, until one was refused or the bytes ended. */
  readonly messages: readonly M[]
  /** Bytes were refused after them, rather than missing. */
  readonly isRefused: boolean
}

export interface OurReading extends Reading {
  /** Each message as we would send it on. */
  readonly forwarded: readonly Buffer[]
}

/** Answers as soon as the request is whole, so that the next one is read. */
class AnsweringCall extends ScriptedCall {
  override end(): void {
    super.end()
    answer(this)
  }
}

function answer({ caller, head }: ScriptedCall): void {
  if (head === undefined) return
  caller.onResponse(new ResponseHead(204, 'HTTP/1.1 204 No Content\r\n', BODY_NONE, 0))
  caller.onResponseEnd()
}

export async function readByUs(bytes: Buffer): Promise<OurReading> {
  const b = bench()
  const { wire, far } = b.wire()
  const calls: ScriptedCall[] = []
  const connection = new Http1ServerConnection(
    wire,
    {
      normalisePaths: false,
      open: (head, caller) => {
        const call = new AnsweringCall(head, caller)
        calls.push(call)
        if (head.body === BODY_NONE && !head.upgrade) queueMicrotask(() => call.end())
        return call
      },
      onConnectionClosed: () => {},
    },
    b,
  )
  far.send(bytes)
  await settle()
  const isRefused = /^HTTP\/1\.1 [45]/m.test(far.text)
  connection.destroy()
  const whole = calls.filter((call) => call.ended)
  return {
    isRefused,
    messages: whole.map((call) => messageOf(call.head as RequestHead, call.body)),
    forwarded: whole.map((call) => forwarded(call)),
  }
}

function messageOf({ text }: RequestHead, body: string): Message {
  const [line = ''] = text.split('\r\n', 1)
  const [method = '', target = ''] = line.split(' ')
  const host = /\r\nhost:[ \t]*([^\r]*?)[ \t]*\r\n/i.exec(text)?.[1] ?? ''
  return { method, target, host, body }
}

function forwarded({ head, body, trailerText }: ScriptedCall): Buffer {
  const request = head as RequestHead
  const size = body.length.toString(16)
  const framed =
    request.body === BODY_STREAM
      ? `${body === '' ? '' : `${size}\r\n${body}\r\n`}0\r\n${trailerText}\r\n`
      : body
  return Buffer.from(wireText(request) + framed, 'latin1')
}

export async function readByNode(bytes: Buffer): Promise<Reading<NodeMessage>> {
  const taken: { readonly incoming: IncomingMessage; body: string }[] = []
  let isRefused = false
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const each = { incoming, body: '' }
    taken.push(each)
    incoming.on('error', () => {})
    incoming.setEncoding('latin1').on('data', (text: string) => {
      each.body += text
    })
    incoming.on('end', () => outgoing.writeHead(204).end())
  }
  const server = createServer({ maxHeaderSize: 64 * 1024, requireHostHeader: false }, take)
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  // The socket stays: what was read before the fault is still to be told.
  server.on('clientError', () => {
    isRefused = true
  })
  const [near, far] = duplexPair()
  let text = ''
  far.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  near.on('error', () => {})
  far.on('error', () => {})
  server.emit('connection', near)
  far.write(bytes)
  await settle()
  await settle()
  near.destroy()
  far.destroy()
  const messages = taken
    .filter(({ incoming }) => incoming.complete)
    .map(({ incoming, body }) => {
      const { method = '', url: target = '', httpVersion: version, rawHeaders: raw } = incoming
      const fields = raw.flatMap((name, i) =>
        i % 2 === 0 ? [[name, raw[i + 1] ?? ''] as const] : [],
      )
      return { method, target, host: incoming.headers.host ?? '', body, version, fields }
    })
  return { messages, isRefused: isRefused || /^HTTP\/1\.1 [45]/m.test(text) }
}
