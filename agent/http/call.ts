/**
 * One request on its way through a handler: what was asked, of whom, and whether the client still listens.
 *
 * Cheap by default: the abort signal exists only for handlers that wait. After `finish` nothing of a call
 * is used again.
 */

import type { IncomingMessage } from 'node:http'
import { assertAllowed, type Bearer } from '../../core/acl/denial.ts'
import type { Access, Resource } from '../../core/acl/rule.ts'
import { withoutMapping } from '../../core/config/ip-address.ts'
import { FairleadError } from '../../core/errors.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { AgentContext } from './context.ts'
import { decodePercent } from './path.ts'
import type { Query } from './query.ts'

const NO_BODY = Buffer.alloc(0)

/** How JSON is laid out: as is, indented, or indented with a final newline. */
export type Layout = 'compact' | 'indented' | 'pretty'

export class HttpCall {
  readonly agent: AgentContext
  readonly method: string
  /** Path behind the route's prefix, percent-decoded once; '' for an exact route. */
  readonly suffix: string
  readonly query: Query
  readonly #request: IncomingMessage
  /** As the client sent it; that of the request is the one route of fastify. */
  readonly #url: string
  #controller: AbortController | undefined
  #ended: unknown
  /** Among the open calls; see open-calls.ts. */
  place = 0

  body: Buffer = NO_BODY

  constructor(
    agent: AgentContext,
    request: IncomingMessage,
    target: { readonly url: string; readonly suffix: string; readonly query: Query },
  ) {
    this.agent = agent
    this.method = request.method ?? ''
    this.#request = request
    this.#url = target.url
    this.suffix = target.suffix
    this.query = target.query
  }

  header(name: Lowercase<string>): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /** Of who asks: as the nearest to the client of its proxies says, or of the connection. Not to be trusted. */
  get clientAddress(): string {
    const forwarded = this.header('x-forwarded-for')?.split(',')[0]?.trim() ?? ''
    const address = forwarded === '' ? (this.#request.socket.remoteAddress ?? '') : forwarded
    return withoutMapping(address)
  }

  /** Address and port at the other end; '' for a socket file, and for a connection that is closed. */
  get connection(): string {
    const { remoteAddress, remotePort } = this.#request.socket
    return remoteAddress === undefined ? '' : `${withoutMapping(remoteAddress)}:${remotePort}`
  }

  /** As it came, without the query. */
  get path(): string {
    const end = this.#url.indexOf('?')
    return end === -1 ? this.#url : this.#url.slice(0, end)
  }

  get layout(): Layout {
    if (this.query.has('pretty')) return 'pretty'
    return this.agent.config.devMode ? 'indented' : 'compact'
  }

  /** Aborted when the client hangs up or the API stops; handlers that wait pass it on. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#ended !== undefined) this.#controller.abort(this.#ended)
    }
    return this.#controller.signal
  }

  /** Wakes what waits on `signal`. Idempotent. */
  abort(reason: unknown): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#controller?.abort(reason)
  }

  /** The body as it comes, for routes with `streamsBody`; read it once. */
  get bodyStream(): AsyncIterable<Uint8Array> {
    return this.#request
  }

  bodyText(): string {
    return this.body.toString('utf8')
  }

  /** For the endpoints whose last part is escaped twice (ids and names of services, checks, entries). */
  unescapedSuffix(): string {
    const name = decodePercent(this.suffix, 'reject')
    if (name !== undefined) return name
    throw new FairleadError('REJECTED', `failure in unescaping path param "${this.suffix}"`)
  }

  /** The servers, on behalf of who asks. */
  get servers(): ServerApi {
    const { acl, servers } = this.agent
    if (acl === undefined) return servers
    const secret = this.secret
    return servers.as(() => secret)
  }

  /** Of the request, else of this agent for requests that bring none. */
  get secret(): string {
    return this.token() || (this.agent.acl?.tokens.default ?? '')
  }

  /** Who asks; undefined without access control. @throws FairleadError PERMISSION_DENIED for a secret of no token */
  async bearer(): Promise<Bearer | undefined> {
    return this.agent.acl?.resolver.resolve(this.secret)
  }

  /** @throws FairleadError PERMISSION_DENIED */
  async assertMay(resource: Resource, access: Access, name?: string): Promise<void> {
    const bearer = await this.bearer()
    if (bearer !== undefined) assertAllowed(bearer, resource, access, name)
  }

  /** Secret of the request: query, header, or bearer (http-api.md 1.4). '' for none. */
  token(): string {
    const fromQuery = this.query.get('token')
    if (fromQuery !== '') return fromQuery
    const fromHeader = this.header('x-consul-token')
    if (fromHeader !== undefined && fromHeader !== '') return fromHeader
    return /^bearer\s+(\S+)\s*$/i.exec(this.header('authorization') ?? '')?.[1] ?? ''
  }
}
