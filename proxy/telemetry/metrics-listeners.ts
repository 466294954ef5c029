/**
 * Plain HTTP listeners on which Prometheus scrapes the proxy itself (envoy_prometheus_bind_addr): `/metrics`, and
 * `/stats/prometheus` for those used to Envoy.
 *
 * `node:http` is loaded with the first of them: a proxy without holds 10 MB less.
 * Bounds: CONNECTIONS_MAX at once on each; a request must come whole within REQUEST_MS.
 */

import type { Server } from 'node:http'
import type { Logger } from '../../core/log.ts'
import type { ListenerProblem } from '../../core/mesh/proxy-control.ts'
import type { BindAddress } from '../../core/mesh/proxy-snapshot.ts'
import { PROMETHEUS_TEXT_TYPE } from '../../core/metrics/exposition.ts'
import { bindServer, bindText, type InheritPort } from '../listeners/bind.ts'

const CONNECTIONS_MAX = 64
const REQUEST_MS = 10_000
const PATHS: ReadonlySet<string> = new Set(['/metrics', '/stats/prometheus'])

export class MetricsListeners {
  readonly #page: () => string
  readonly #log: Logger
  readonly #open = new Map<string, Server>()

  readonly #inherit: () => InheritPort | undefined

  constructor(page: () => string, log: Logger, inherit: () => InheritPort | undefined) {
    this.#page = page
    this.#log = log
    this.#inherit = inherit
  }

  /** The server that listens on a port (bindText), for a successor. */
  serverOf(bind: string): Server | undefined {
    return this.#open.get(bind)
  }

  /** @returns what could not be bound; it is tried again with the next snapshot */
  async apply(binds: readonly BindAddress[]): Promise<readonly ListenerProblem[]> {
    const wanted = new Map(binds.map((bind) => [bindText(bind), bind]))
    for (const [text, server] of this.#open) {
      if (wanted.has(text)) continue
      this.#open.delete(text)
      close(server)
    }
    const problems: ListenerProblem[] = []
    for (const [text, bind] of wanted) {
      if (this.#open.has(text)) continue
      const server = this.#make()
      const failure = await bindServer(server, bind, this.#inherit())
      if (failure === undefined) this.#open.set(text, server)
      else problems.push({ listenerId: 'metrics', bind: text, ...failure })
    }
    return problems
  }

  close(): void {
    for (const server of this.#open.values()) close(server)
    this.#open.clear()
  }

  #make(): Server {
    const { createServer } = process.getBuiltinModule('node:http')
    const server = createServer({ requestTimeout: REQUEST_MS }, (incoming, outgoing) => {
      incoming.resume()
      const path = (incoming.url ?? '').split('?', 1)[0] ?? ''
      if (!PATHS.has(path)) {
        outgoing.writeHead(404, { 'content-type': 'text/plain' }).end('ask for /metrics\n')
        return
      }
      try {
        outgoing.writeHead(200, { 'content-type': PROMETHEUS_TEXT_TYPE }).end(this.#page())
      } catch (err) {
        this.#log.error('figures could not be written', { err })
        outgoing.writeHead(500).end()
      }
    })
    server.maxConnections = CONNECTIONS_MAX
    return server
  }
}

function close(server: Server): void {
  server.close()
  server.closeAllConnections()
}
