/**
 * The agent's HTTP API: listeners, the life of a request, start, drain and stop.
 *
 * fastify runs the request through its life cycle behind one route, because the paths are those of Go's
 * request router (prefixes, exact method lists, redirects), which dispatch.ts knows. Guarantees: a handler
 * that throws answers with its error and never ends the process; a client that hangs up wakes what waited
 * for it; after `stop` no socket or timer is left. `drain` ends blocked reads, as a server leaving does.
 * Bounds: connections per client and in all, header bytes, body bytes by route; a connection that sends no
 * whole header in HEADERS_TIMEOUT_MS, or no whole body in REQUEST_TIMEOUT_MS, is closed.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { MemberPool } from '../../core/membership.ts'
import type { Instant } from '../../core/time.ts'
import { clearDeadSocket, setSocketPermissions } from '../../runtime/host/socket-file.ts'
import { CpuProfiler } from '../../runtime/profile/cpu-profile.ts'
import type { TlsSide } from '../../runtime/tls/tls-side.ts'
import type { AgentAcl } from '../acl/access.ts'
import type { OperatorEvents } from '../events/operator-events.ts'
import type { SidecarApi } from '../mesh/sidecar-api.ts'
import type { MeshProxy } from '../mesh/types.ts'
import type { CatalogViews } from '../view/types.ts'
import { AgentCache } from './agent-cache.ts'
import type { AuditLog } from './audit-log.ts'
import { BodyCache } from './body-cache.ts'
import type { HttpCall } from './call.ts'
import type { AgentContext, BuildFacts, HttpApiHooks } from './context.ts'
import { Dispatcher } from './dispatch.ts'
import { hangUp, isLong } from './hang-up.ts'
import {
  addressOf,
  closeListener,
  createListener,
  type ListenerOptions,
  listen,
  portOf,
} from './listener.ts'
import { OpenCalls } from './open-calls.ts'
import { Pipelines } from './pipeline.ts'
import { DEFAULT_BODY_LIMIT, readBody } from './read-body.ts'
import type { Reply } from './reply.ts'
import { RequestLatency } from './request-latency.ts'
import { type Handler, type Route, RouteTable } from './route.ts'
import { checkRoute } from './route-rights.ts'
import { ROUTES } from './routes.ts'
import { errorReply, isUnexpected, send, standingHeaders } from './send.ts'
import { SnapshotTransfers } from './snapshot-transfers.ts'

export interface HttpApiOptions {
  readonly config: AgentContext['config']
  readonly build: BuildFacts
}

export type HttpApiDeps = HttpApiHooks &
  Pick<
    AgentContext,
    | 'clock'
    | 'log'
    | 'logLines'
    | 'telemetry'
    | 'servers'
    | 'local'
    | 'membership'
    | 'leaves'
    | 'queries'
  > & {
    readonly acl?: AgentAcl

    /** The pool behind `membership`; without one joining and forcing out answer 501. */
    readonly pool?: MemberPool
    /** The mesh proxy of this host. */
    readonly proxy?: MeshProxy
    /** For a client agent. */
    readonly views?: CatalogViews
    /** Events of the pool; without them /v1/event answers 501. */
    readonly events?: OperatorEvents
    /** Sidecars of this host; without them there are none. */
    readonly sidecars?: SidecarApi
    /** What HTTPS is served with. */
    readonly tls?: TlsSide
    readonly audit?: AuditLog | undefined
    /** By which servers are known, PEM; without them nobody can be let in by a token. */
    readonly authorities?: () => readonly string[]
  }

export interface HttpApi extends Service {
  /** `host:port` of each listener in clear, with the real port, then `unix://path` of socket files. Empty before `start`, or when the API is off. */
  readonly addresses: readonly string[]
  /** `host:port` of those of HTTPS. */
  readonly tlsAddresses: readonly string[]
  /** Takes over what a reload may change; connections that are open stay. */
  reload(config: Pick<AgentContext['config'], 'httpMaxConnsPerClient'>): void
}

export function createHttpApi(options: HttpApiOptions, deps: HttpApiDeps): HttpApi {
  return new HttpApiServer(options, deps)
}

/** A request that dispatch has given a handler. */
interface Served {
  readonly call: HttpCall
  readonly route: Route
  readonly handler: Handler
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null before dispatch, and for what needs no handler. */
    served: Served | null
  }
}

/** Shared, because an error is made of a stack trace and every request ends. */
const CLIENT_GONE = new FairleadError('BAD_REQUEST', 'The client closed the connection')
const STOPPING = new FairleadError('SHUTTING_DOWN', 'The agent is shutting down')

class HttpApiServer implements HttpApi {
  readonly #agent: AgentContext
  readonly #dispatcher: Dispatcher
  readonly #standing: readonly string[]
  readonly #app: FastifyInstance
  readonly #servers: Server[] = []
  readonly #tlsServers: Server[] = []
  readonly #tls: TlsSide | undefined
  readonly #audit: AuditLog | undefined
  /** Requests between dispatch and the end of their response. */
  readonly #open = new OpenCalls<HttpCall>()
  readonly #pipelines = new Pipelines()
  readonly #latency: RequestLatency
  #perClientMax: number
  #whenIdle: (() => void) | undefined
  #started: Promise<void> | undefined
  #isDraining = false
  #isStopped = false

  constructor(options: HttpApiOptions, deps: HttpApiDeps) {
    const {
      clock,
      log,
      logLines,
      telemetry,
      servers,
      local,
      membership,
      leaves,
      proxy,
      queries,
      pool,
      views,
      events,
      sidecars,
      acl,
      tls,
      authorities,
    } = deps
    this.#tls = tls
    this.#audit = deps.audit
    const { onLeave, onReload } = deps
    this.#agent = {
      config: options.config,
      build: options.build,
      clock,
      log: log.child('http'),
      logLines,
      telemetry,
      profiler: new CpuProfiler(clock),
      servers,
      acl,
      views,
      local,
      membership,
      pool,
      events,
      leaves,
      proxy,
      sidecars,
      authorities: authorities ?? (() => []),
      queries,
      snapshots: new SnapshotTransfers(),
      hooks: {
        ...(onLeave === undefined ? {} : { onLeave }),
        ...(onReload === undefined ? {} : { onReload }),
      },
      bodies: new BodyCache(),
      cache: new AgentCache({ clock, metrics: telemetry.metrics }),
    }
    this.#latency = new RequestLatency(telemetry.metrics)
    this.#dispatcher = new Dispatcher(new RouteTable(ROUTES), this.#agent)
    this.#perClientMax = options.config.httpMaxConnsPerClient
    this.#standing = standingHeaders(options.config)
    this.#app = this.#buildApp()
  }

  get addresses(): readonly string[] {
    return this.#servers.map(addressOf)
  }

  get tlsAddresses(): readonly string[] {
    return this.#tlsServers.map(addressOf)
  }

  get #listeners(): readonly Server[] {
    return [...this.#servers, ...this.#tlsServers]
  }

  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#listen(signal)
    return this.#started
  }

  reload(config: Pick<AgentContext['config'], 'httpMaxConnsPerClient'>): void {
    this.#perClientMax = config.httpMaxConnsPerClient
  }

  async drain(deadline: Instant): Promise<void> {
    if (this.#isStopped) return
    this.#isDraining = true
    for (const server of this.#listeners) {
      server.close()
      server.closeIdleConnections()
    }
    for (const call of this.#open.all()) call.abort(STOPPING)
    await this.#idle(deadline)
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#isDraining = true
    for (const call of this.#open.all()) call.abort(STOPPING)
    await Promise.all(this.#listeners.map(closeListener))
    await this.#app.close()
  }

  async #listen(signal: AbortSignal): Promise<void> {
    await this.#app.ready()
    try {
      await this.#listenInClear(signal)
      await this.#listenTls(signal)
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  async #listenInClear(signal: AbortSignal): Promise<void> {
    const { ports, httpAddresses, http } = this.#agent.config
    if (ports.http < 0) return
    const open = (): Server => this.#createListener({})
    await this.#listenAt(httpAddresses, ports.http, { open, list: this.#servers, signal })
    for (const path of http.sockets) {
      signal.throwIfAborted()
      await clearDeadSocket(path)
      const server = open()
      await listen(server, { path })
      this.#servers.push(server)
      await setSocketPermissions(path, http.socketPermissions)
    }
  }

  async #listenTls(signal: AbortSignal): Promise<void> {
    const { ports, httpsAddresses, tls } = this.#agent.config
    const side = this.#tls
    if (ports.https < 0 || side === undefined) return
    const { verifyIncoming, handshakeTimeoutMs } = tls.https
    const open = (): Server =>
      this.#createListener({ tls: { side, verifyIncoming, handshakeTimeoutMs } })
    await this.#listenAt(httpsAddresses, ports.https, { open, list: this.#tlsServers, signal })
  }

  /** With port 0 the first listener chooses, so that all addresses share one port. */
  async #listenAt(
    hosts: readonly string[],
    wanted: number,
    to: { readonly open: () => Server; readonly list: Server[]; readonly signal: AbortSignal },
  ): Promise<void> {
    let port = wanted
    for (const host of hosts) {
      to.signal.throwIfAborted()
      const server = to.open()
      await listen(server, { host, port })
      to.list.push(server)
      if (port === 0) port = portOf(server)
    }
  }

  #createListener(options: Pick<ListenerOptions, 'tls'>): Server {
    const { headerBytesMax } = this.#agent.config.http
    return createListener(
      { perClientMax: () => this.#perClientMax, headerBytesMax, ...options },
      (request, response) => this.#app.routing(request, response),
    )
  }

  #buildApp(): FastifyInstance {
    const app = fastify({
      logger: false,
      trustProxy: false,
      requestTimeout: 0,
      forceCloseConnections: true,
      bodyLimit: DEFAULT_BODY_LIMIT.maxBytes,
      genReqId: () => '',
      exposeHeadRoutes: false,
      // The one route has no schemas; with compilers given, those of fastify are not loaded.
      schemaController: {
        compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas },
      },
      // The one route; the real URL stays in `originalUrl`.
      rewriteUrl: () => '/',
    })
    app.removeAllContentTypeParsers()
    app.decorateRequest('served', null)
    app.addContentTypeParser('*', async (request: FastifyRequest) => this.#receive(request))
    app.addHook('onRequest', (request, reply, done) => this.#begin(request, reply, done))
    app.setNotFoundHandler((request, reply) => this.#run(request, reply))
    app.setErrorHandler((error, request, reply) => {
      reply.hijack()
      void this.#refuse(errorReply(error), request.raw, reply.raw)
    })
    app.all('/', (request, reply) => this.#run(request, reply))
    return app
  }

  #begin(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    // Pipelined behind another request, whose effects this one must see: node would run both at once.
    if (reply.raw.socket === null) {
      this.#pipelines.wait(request.raw, reply.raw, () => this.#begin(request, reply, done))
      return
    }
    const dispatched = this.#dispatcher.dispatch(request.raw, request.originalUrl)
    if (dispatched.kind === 'reply') {
      reply.hijack()
      void this.#refuse(dispatched.reply, request.raw, reply.raw)
      return
    }
    this.#watch(dispatched, reply.raw)
    if (request.method === 'GET') {
      // Its body, if any, is not read: nothing of what fastify would do further on concerns it.
      reply.hijack()
      void this.#handle(dispatched, request.raw, reply.raw)
      return
    }
    // The type of a body is not looked at, as in the reference: every route knows what it takes.
    delete request.raw.headers['content-type']
    request.served = dispatched
    done()
  }

  #watch({ call, route }: Served, response: ServerResponse): void {
    this.#open.add(call)
    const { clock } = this.#agent
    const latency = this.#latency.sampleOf(route, call.method)
    const began = clock.now()
    if (this.#audit !== undefined) this.#auditAtEnd(this.#audit, call, response)
    response.on('close', () => {
      latency.record(clock.now() - began)
      this.#open.remove(call)
      call.abort(CLIENT_GONE)
      if (this.#open.size === 0) this.#whenIdle?.()
    })
    if (this.#isDraining) call.abort(STOPPING)
  }

  #auditAtEnd(audit: AuditLog, call: HttpCall, response: ServerResponse): void {
    const beganAt = this.#agent.clock.wall()
    // Asked now: a connection that is closed has forgotten it.
    const { connection } = call
    response.on('close', () => {
      // Nothing was sent: who asked went away.
      const status = response.headersSent ? response.statusCode : 0
      audit.record(call, { status, connection, beganAt })
    })
  }

  async #receive({ served, raw }: FastifyRequest): Promise<void> {
    if (served === null || served.route.streamsBody === true) return
    const limit = served.route.bodyLimit?.(this.#agent) ?? DEFAULT_BODY_LIMIT
    served.call.body = await readBody(raw, limit)
  }

  #run(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack()
    if (request.served !== null) void this.#handle(request.served, request.raw, reply.raw)
  }

  async #handle(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { call, handler } = served
    let answer: Reply
    try {
      if (this.#agent.acl !== undefined) await checkRoute(call, served.route)
      answer = await handler(call)
    } catch (thrown) {
      if (isUnexpected(thrown)) {
        this.#agent.log.error('request failed', { method: call.method, err: thrown })
      }
      answer = errorReply(thrown)
    }
    await this.#reply(answer, request, response, call)
  }

  /** Answers without having read the body, which is not waited for if it is long. */
  async #refuse(answer: Reply, request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#reply(answer, request, response)
    if (!request.complete && isLong(request)) hangUp(request.socket, this.#agent.clock)
  }

  /** Never throws or rejects: a body that cannot be sent ends the connection. */
  #reply(
    answer: Reply,
    request: IncomingMessage,
    response: ServerResponse,
    call?: HttpCall,
  ): void | Promise<void> {
    const cut = (thrown: unknown): void => {
      this.#agent.log.error('reply not sent', { err: thrown })
      response.destroy()
    }
    try {
      const sending = send(answer, {
        request,
        response,
        standing: this.#isDraining ? [...this.#standing, 'Connection', 'close'] : this.#standing,
        layout: call?.layout ?? 'compact',
      })
      return sending?.catch(cut)
    } catch (thrown) {
      cut(thrown)
    }
  }

  /** Resolves when no request is open, at the latest at the deadline. */
  #idle(deadline: Instant): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#agent.clock.timer(deadline, resolve)
      this.#whenIdle = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

function noSchemas(): never {
  throw new Error('The one route has no schemas')
}
