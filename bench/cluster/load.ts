/**
 * Fills a cluster: many requests through a bounded number of connections.
 *
 * Guarantees that every request was answered with success; a server that has no leader or is busy is asked
 * again, ATTEMPTS_MAX times.
 */

import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'

const ATTEMPTS_MAX = 20

export interface Request {
  readonly path: string
  readonly body: string | Buffer
}

export async function putAll(
  url: string,
  requests: Iterable<Request>,
  connections = 16,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const iterator = requests[Symbol.iterator]()
  const work = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      await putUntilDone(agent, url, next.value)
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, work))
  } finally {
    agent.destroy()
  }
}

async function putUntilDone(agent: Agent, url: string, wanted: Request): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { status, body } = await put(agent, url, wanted)
    if (status === 200) return
    if (status < 500 || attempt === ATTEMPTS_MAX) {
      throw new Error(`${wanted.path}: ${status} ${body.slice(0, 200)}`)
    }
  }
}

function put(
  agent: Agent,
  url: string,
  { path, body }: Request,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { method: 'PUT', agent }, (response) => {
      text(response).then((read) => {
        resolve({ status: response.statusCode ?? 0, body: read })
      }, reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Whole nodes: a service must not come before its node. */
const PER_TXN = 30

/** `count` instances of 1,000 services, ten on a node, with a check each if wanted; as transactions. */
export function* registrations(
  count: number,
  parts: { readonly services?: boolean; readonly checks?: boolean },
): Generator<Request> {
  for (let from = 0; from < count; from += PER_TXN) {
    const ops: unknown[] = []
    for (let i = from; i < Math.min(count, from + PER_TXN); i++) {
      const node = `node-${Math.floor(i / 10)}`
      const id = `service-${i % 1_000}-${i}`
      if (parts.services === true) {
        if (i % 10 === 0)
          ops.push({ Node: { Verb: 'set', Node: { Node: node, Address: addressOf(i) } } })
        ops.push({ Service: { Verb: 'set', Node: node, Service: serviceOf(i, id) } })
      }
      if (parts.checks === true) ops.push({ Check: { Verb: 'set', Check: checkOf(i, id, node) } })
    }
    yield { path: '/v1/txn', body: JSON.stringify(ops) }
  }
}

function serviceOf(i: number, id: string): unknown {
  return {
    ID: id,
    Service: `service-${i % 1_000}`,
    Port: 8_000 + (i % 1_000),
    Tags: ['v1', i % 2 === 0 ? 'blue' : 'green'],
    Meta: { owner: `team-${i % 50}`, version: '1.4.2' },
  }
}

function checkOf(i: number, id: string, node: string): unknown {
  return {
    Node: node,
    CheckID: `service:${id}`,
    Name: `Service '${id}' check`,
    Status: 'passing',
    ServiceID: id,
    Output: `HTTP GET http://127.0.0.1:${8_000 + (i % 1_000)}/health: 200 OK`,
  }
}

function addressOf(i: number): string {
  return `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`
}

/** Keys with values that are not all the same, several in a transaction; `count` times `sizeBytes` in all. */
export function* entries(count: number, sizeBytes: number): Generator<Request> {
  const perTxn = Math.max(1, Math.min(PER_TXN, Math.floor(360_000 / (sizeBytes * 1.4))))
  const filler = Buffer.alloc(sizeBytes, 'the value of a key ')
  for (let from = 0; from < count; from += perTxn) {
    const ops: unknown[] = []
    for (let i = from; i < Math.min(count, from + perTxn); i++) {
      filler.writeUInt32LE(i)
      ops.push({ KV: { Verb: 'set', Key: entryKey(i), Value: filler.toString('base64') } })
    }
    yield { path: '/v1/txn', body: JSON.stringify(ops) }
  }
}

export function entryKey(i: number): string {
  return `bench/entry/${String(i).padStart(8, '0')}`
}
