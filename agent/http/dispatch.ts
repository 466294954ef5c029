/**
 * From a request line to a handler, or to the answer that needs none: 301, 400, 404, 405, OPTIONS.
 *
 * The order of the checks is that of the reference (http-api.md 1.2): characters of the path, route, query
 * string, method. Runs before the body is read, so that a refused request costs nothing. All but the method and
 * who may write is a matter of the URL alone, and remembered for what is read again and again: what a URL means never
 * changes while the program runs. Bounds of that: twice TARGETS_MAX URLs of KEPT_URL_LENGTH_MAX characters.
 */

import type { IncomingMessage } from 'node:http'
import type { HttpConfig } from '../../core/config/model.ts'
import { refusedEndpoint, refusedWrite } from './access.ts'
import { HttpCall } from './call.ts'
import type { AgentContext } from './context.ts'
import { cleanPath, decodePercent, isPrintable } from './path.ts'
import { parseQuery, type Query } from './query.ts'
import { Recent } from './recent.ts'
import { emptyReply, type Reply, TEXT_TYPE, textReply } from './reply.ts'
import { allowedMethods, type Handler, handlerOf, type Route, type RouteTable } from './route.ts'

export type Dispatched =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | {
      readonly kind: 'call'
      readonly call: HttpCall
      readonly route: Route
      readonly handler: Handler
    }

const NOT_FOUND = 'Invalid URL path: not a recognized HTTP API endpoint\n'
const NOT_FOUND_PREFIX =
  "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
const FRONT_PAGE =
  'Fairlead agent: this version has no web UI. The HTTP API is below /v1/, for instance /v1/agent/self\n'

const TARGETS_MAX = 1_024
const KEPT_URL_LENGTH_MAX = 512

/** What a URL asks for, whatever the method. */
type Target =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | {
      readonly kind: 'route'
      readonly route: Route
      readonly suffix: string
      readonly query: Query
    }

export class Dispatcher {
  readonly #targetOf: (url: string) => Target
  readonly #agent: AgentContext
  readonly #recent: Recent<string, Target>

  constructor(table: RouteTable, agent: AgentContext) {
    this.#agent = agent
    this.#targetOf = (url) => targetOf(table, url, agent.config.http)
    this.#recent = new Recent(this.#targetOf, TARGETS_MAX)
  }

  dispatch(request: IncomingMessage, url: string): Dispatched {
    const method = request.method ?? ''
    const isKept = method === 'GET' && url.length <= KEPT_URL_LENGTH_MAX
    const target = isKept ? this.#recent.of(url) : this.#targetOf(url)
    if (target.kind === 'reply') return target
    const refused = refusedWrite(this.#agent.config.http, request)
    if (refused !== undefined) return reply(refused)
    const { route, suffix, query } = target
    if (method === 'OPTIONS') return reply(emptyReply(200, ['Allow', allowedMethods(route)]))
    const handler = handlerOf(route, method)
    if (handler === undefined) {
      const allow = ['Allow', allowedMethods(route)]
      return reply(textReply(405, `method ${method} not allowed`, allow))
    }
    const call = new HttpCall(this.#agent, request, { url, suffix, query })
    return { kind: 'call', route, handler, call }
  }
}

function targetOf(table: RouteTable, url: string, http: HttpConfig): Target {
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const rawQuery = mark === -1 ? '' : url.slice(mark + 1)
  if (!path.startsWith('/')) return reply(textReply(400, '400 Bad Request'))
  const decoded = decodePercent(path, 'reject')
  if (decoded === undefined) return reply(emptyReply(400))
  if (!http.takesUnprintable && !isPrintable(decoded)) return reply(emptyReply(400))

  const clean = cleanPath(path)
  if (clean !== path) return reply(redirect(clean, rawQuery))
  if (clean === '/') return reply(textReply(200, FRONT_PAGE))
  const match = table.match(clean)
  if (match.kind === 'redirect') return reply(redirect(match.path, rawQuery))
  if (match.kind === 'invalid') return reply(emptyReply(400))
  if (match.kind === 'unknown') {
    return reply(textReply(404, clean.includes('/v1/') ? NOT_FOUND : NOT_FOUND_PREFIX))
  }

  const { route, suffix } = match
  const query = parseQuery(rawQuery)
  if (query === undefined) {
    return reply({ status: 500, type: TEXT_TYPE, headers: [], body: '' })
  }
  const refused = refusedEndpoint(http, decoded)
  return refused === undefined ? { kind: 'route', route, suffix, query } : reply(refused)
}

function redirect(path: string, rawQuery: string): Reply {
  const location = rawQuery === '' ? path : `${path}?${rawQuery}`
  return emptyReply(301, ['Location', location])
}

function reply(value: Reply): { readonly kind: 'reply'; readonly reply: Reply } {
  return { kind: 'reply', reply: value }
}
