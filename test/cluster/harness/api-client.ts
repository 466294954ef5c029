/**
 * One request of the HTTP API, and what its answer says about the write (the table of verification 15.1): an
 * error that says that nothing was proposed is a failure, everything else that is no answer is unknown.
 */

import { type Agent, type IncomingHttpHeaders, request } from 'node:http'

const REQUEST_TIMEOUT_MS = 10_000

export type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: string
      readonly code: string
      readonly headers: IncomingHttpHeaders
    }
  /** No byte of the request was written. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'lost' }

/** Codes that say that the write was certainly not proposed. */
const NOT_PROPOSED: ReadonlySet<string> = new Set([
  'NO_LEADER',
  'BUSY',
  'SHUTTING_DOWN',
  'RATE_LIMITED',
  'NO_SERVERS',
])

export function outcomeOf(answer: Answer): 'ok' | 'fail' | 'info' {
  switch (answer.kind) {
    case 'refused':
      return 'fail'
    case 'lost':
      return 'info'
    case 'answered':
      if (answer.status === 200) return 'ok'
      if (answer.status < 500 || NOT_PROPOSED.has(answer.code)) return 'fail'
      return 'info'
  }
}

export function ask(
  agent: Agent,
  method: 'GET' | 'POST' | 'PUT',
  url: string,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve) => {
    let isConnected = false
    const sent = request(url, { agent, method, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', () => resolve({ kind: 'lost' }))
      response.on('end', () =>
        resolve({
          kind: 'answered',
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts).toString(),
          code: String(response.headers['x-fairlead-error'] ?? ''),
          headers: response.headers,
        }),
      )
    })
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (isConnected = true))
      else isConnected = true
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', () => resolve({ kind: isConnected ? 'lost' : 'refused' }))
    sent.end(body)
  })
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
