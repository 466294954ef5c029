/**
 * The route table: every endpoint is one object, from which dispatch, 405, `Allow` and the reference derive.
 *
 * A path that ends in `/` matches by prefix, the longest first, as in http-api.md section 28; one with `*` takes a name,
 * slashes included, where the star is; every other matches exactly. Methods are an exact list: HEAD is not implied by GET.
 */

import type { HttpCall } from './call.ts'
import type { AgentContext } from './context.ts'
import { decodePercent } from './path.ts'
import type { Reply } from './reply.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

export type Handler = (call: HttpCall) => Reply | Promise<Reply>

/** How much body a route takes, and what it says to more; `sizeBytes` is undefined for a chunked body. */
export interface BodyLimit {
  readonly maxBytes: number
  message(sizeBytes: number | undefined): string
}

export interface Route {
  readonly path: string
  /** By method, in the order of the `Allow` header. */
  readonly methods: { readonly [M in Method]?: Handler }
  /** One sentence for the reference. */
  readonly doc: string
  /** Takes `index` and `wait`. */
  readonly blocking?: boolean
  /** Query parameters of its own, besides those of http-api.md 1.5. */
  readonly query?: readonly string[]
  /** Answers 501 in this version. */
  readonly unsupported?: boolean
  /** The handler reads the body itself, from `bodyStream`, and bounds it. */
  readonly streamsBody?: true
  readonly bodyLimit?: (agent: AgentContext) => BodyLimit
}

export type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly suffix: string }
  /** Registered only with a slash at the end. */
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'unknown' }

const METHODS: readonly Method[] = ['GET', 'PUT', 'POST', 'DELETE']

export class RouteTable {
  readonly routes: readonly Route[]
  readonly #exact = new Map<string, Route>()
  readonly #prefixes = new Map<string, Route>()
  /** By what stands before the star; with what stands behind it. */
  readonly #starred = new Map<string, { readonly ending: string; readonly route: Route }[]>()

  constructor(routes: readonly Route[]) {
    this.routes = routes
    for (const route of routes) {
      const star = route.path.indexOf('*')
      if (star !== -1) {
        const prefix = route.path.slice(0, star)
        const known = this.#starred.get(prefix) ?? []
        known.push({ ending: route.path.slice(star + 1), route })
        this.#starred.set(prefix, known)
        continue
      }
      const table = route.path.endsWith('/') ? this.#prefixes : this.#exact
      if (table.has(route.path)) throw new Error(`route ${route.path} is registered twice`)
      table.set(route.path, route)
    }
  }

  /** @param path escaped and clean */
  match(path: string): Match {
    const exact = this.#exact.get(path)
    if (exact !== undefined) return { kind: 'route', route: exact, suffix: '' }
    if (this.#prefixes.has(`${path}/`)) return { kind: 'redirect', path: `${path}/` }
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const prefix = path.slice(0, at + 1)
      const starred = this.#starred.get(prefix)?.find(({ ending }) => {
        return path.endsWith(ending) && path.length > prefix.length + ending.length
      })
      if (starred !== undefined) {
        return found(starred.route, path.slice(at + 1, -starred.ending.length))
      }
      const route = this.#prefixes.get(prefix)
      if (route !== undefined) return found(route, path.slice(at + 1))
    }
    return { kind: 'unknown' }
  }
}

function found(route: Route, escaped: string): Match {
  const suffix = decodePercent(escaped, 'reject')
  return suffix === undefined ? { kind: 'invalid' } : { kind: 'route', route, suffix }
}

export function handlerOf(route: Route, method: string): Handler | undefined {
  return METHODS.includes(method as Method) ? route.methods[method as Method] : undefined
}

/** Value of the `Allow` header. */
export function allowedMethods(route: Route): string {
  return ['OPTIONS', ...Object.keys(route.methods)].join(',')
}
