/**
 * Damaged requests for two readers of HTTP/1, and the written explanations of where the two may differ.
 */

import { METHODS } from 'node:http'
import type { Rng } from '../../../core/rng.ts'
import { mutate } from '../mutate.ts'
import type { Message, NodeMessage, OurReading, Reading } from './readers.ts'

export const SAMPLES: readonly string[] = [
  'GET /a?b=c HTTP/1.1\r\nHost: shop\r\nX-A: b\r\n\r\n',
  'POST /form HTTP/1.1\r\nhost: shop:80\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\nhello',
  'PUT /c HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
  'HEAD http://other/x HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nConnection: te\r\n\r\n',
  'POST /e HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi',
  'GET /old HTTP/1.0\r\nHost: shop\r\nConnection: keep-alive\r\n\r\n',
]

interface Explanation {
  readonly why: string
  readonly holds: (message: NodeMessage, input: string) => boolean
}

function values({ fields }: NodeMessage, wanted: string): string[] {
  return fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const HOST = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]+$/

/** We refuse a message that llhttp takes: each a place where RFC 9112 lets a server choose, or Node does not look. */
const STRICTER: readonly Explanation[] = [
  { why: 'HTTP/0.9 and versions beyond 1.1', holds: ({ version }) => !/^1\.[01]$/.test(version) },
  {
    why: 'not exactly one valid Host (RFC 9112 3.2)',
    holds: (message) => {
      const [host = '', ...more] = values(message, 'host')
      return more.length > 0 || !HOST.test(host)
    },
  },
  {
    why: 'Connection that is no list of tokens, or takes away what must stay',
    holds: (message) =>
      values(message, 'connection')
        .flatMap((value) => value.split(','))
        .map((option) => option.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
        .some(
          (option) =>
            option !== '' &&
            (!TOKEN.test(option) ||
              /^(host|content-length|expect|x-request-id|x-forwarded-client-cert)$/i.test(option)),
        ),
  },
  {
    why: 'an expectation besides 100-continue',
    holds: (message) => {
      const all = values(message, 'expect')
      return all.length > 0 && all.join().toLowerCase() !== '100-continue'
    },
  },
  {
    why: 'a target in no form that a server takes, or with bytes that belong into no URI',
    holds: ({ method, target }) => {
      const isKnownForm = target.startsWith('/') || /^https?:\/\/[^/?#@]+([/?]|$)/i.test(target)
      const isAsterisk = method === 'OPTIONS' && target === '*'
      return !(isKnownForm || isAsterisk) || /[^!-~]|#/.test(target)
    },
  },
  {
    why: 'chunks in HTTP/1.0, which has none (RFC 9112 6.1)',
    holds: (message) =>
      message.version === '1.0' && values(message, 'transfer-encoding').length > 0,
  },
  {
    why: 'more than one Transfer-Encoding, or another coding than chunked',
    holds: (message) => {
      const all = values(message, 'transfer-encoding')
      return all.length > 0 && all.join().toLowerCase() !== 'chunked'
    },
  },
  {
    why: 'more than one space between the parts of the request line (RFC 9112 3 has exactly one)',
    holds: (_, input) => / {2}[^\r\n]*HTTP\/1\.[01]\r\n/.test(input),
  },
  { why: 'CONNECT', holds: ({ method }) => method === 'CONNECT' },
]

/** We take a message that llhttp refuses. */
const LAXER: readonly {
  readonly why: string
  readonly holds: (message: Message, input: string) => boolean
}[] = [
  {
    why: 'llhttp knows a list of methods; RFC 9110 9.1 lets anybody define one',
    holds: ({ method }) => !METHODS.includes(method),
  },
  {
    why: 'a chunk extension without a proper name: none is ever sent on, so nobody can read it otherwise',
    holds: (_, input) =>
      [...input.matchAll(/\n[0-9a-f]+(;[^\r\n]*)\r\n/gi)].some(
        ([, text = '']) => !EXTENSIONS.test(text),
      ),
  },
  {
    why: 'framing fields among trailers: dropped (RFC 9110 6.5.1), so nobody can read them',
    holds: (_, input) => FRAMING_TRAILER.test(input),
  },
]

const FRAMING_TRAILER =
  /\n0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):/i
/** RFC 9112 7.1.1. */
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"[^"\\]*"))?)*$/

export function inputOf(rng: Rng): Buffer {
  const pick = (): Uint8Array => Buffer.from(rng.pick(SAMPLES) as string, 'latin1')
  const both = Buffer.concat([pick(), pick()])
  return Buffer.from(mutate(both, pick(), rng))
}

export interface Difference {
  readonly kind: string
  readonly input: string
  readonly ours: readonly Message[]
  readonly theirs: readonly Message[]
}

/** @returns the first difference without an explanation */
export function differenceOf(
  input: Buffer,
  ours: OurReading,
  theirs: Reading<NodeMessage>,
): Difference | undefined {
  const text = input.toString('latin1')
  const most = Math.max(ours.messages.length, theirs.messages.length)
  const found = (kind: string): Difference => ({
    kind,
    input: text,
    ours: ours.messages,
    theirs: theirs.messages,
  })
  for (let i = 0; i < most; i++) {
    const our = ours.messages[i]
    const their = theirs.messages[i]
    if (our === undefined) {
      const isExplained = their !== undefined && STRICTER.some(({ holds }) => holds(their, text))
      return isExplained ? undefined : found('stricter')
    }
    if (their === undefined) {
      return LAXER.some(({ holds }) => holds(our, text)) ? undefined : found('laxer')
    }
    if (!isSame(our, their)) return found('different')
  }
  return undefined
}

/** An absolute target is sent on in origin form, its authority as Host (RFC 9112 3.2.2). */
function isSame(our: Message, their: Message): boolean {
  if (our.method !== their.method || our.body !== their.body) return false
  if (our.target === their.target && our.host === their.host) return true
  const [, authority, rest = ''] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(their.target) ?? []
  const isAsterisk = their.method === 'OPTIONS' && rest === '' && our.target === '*'
  const path = rest.startsWith('/') ? rest : `/${rest}`
  return our.host === authority && (our.target === path || isAsterisk)
}
