/**
 * Watches of configuration files: what is watched and who is told (agent-config.md section 10). Pure.
 *
 * Bounds: WATCHES_MAX watches, each of which holds one connection to the agent's own API.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { parseDurationMs } from '../duration.ts'
import { type WatchParameters, type WatchTarget, watchTarget } from '../watch/watch-target.ts'
import type { RawReader } from './raw-reader.ts'

const WATCHES_MAX = 64
const HTTP_TIMEOUT_MS = 10_000

export type WatchHandler =
  /** At least the program. */
  | { readonly kind: 'script'; readonly args: readonly string[] }
  | {
      readonly kind: 'http'
      readonly url: string
      readonly method: string
      readonly timeoutMs: number
      readonly headers: Readonly<Record<string, readonly string[]>>
      readonly tlsSkipVerify: boolean
    }

export interface WatchDefinition {
  readonly target: WatchTarget
  readonly handler: WatchHandler
  /** '' for the agent's own. */
  readonly datacenter: string
  readonly token: string
  readonly stale: boolean
}

/** What is wrong, in words for the operator. */
class Refused {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export function resolveWatches(reader: RawReader): readonly WatchDefinition[] {
  const definitions = reader.definitions('watches')
  if (definitions.length > WATCHES_MAX) {
    const message = `watches has ${definitions.length} entries; at most ${WATCHES_MAX} are allowed`
    reader.problem('watches', message, 'watch a prefix, or let one handler serve several')
    return []
  }
  return definitions.flatMap(({ body, origin }) => {
    const watch = watchOf(body)
    if (!(watch instanceof Refused)) return [watch]
    const fix = 'see "Watches" in docs/reference/watches.md'
    reader.problems.push({ key: 'watches', message: `watches: ${watch.message}`, origin, fix })
    return []
  })
}

const TEXTS = ['type', 'key', 'prefix', 'service', 'service_id', 'state', 'name', 'filter'] as const
const COMMON = ['datacenter', 'token', 'stale', 'handler_type', 'args', 'http_handler_config']

function watchOf(body: Json): WatchDefinition | Refused {
  const fields = objectOf(body)
  if (fields === null) return new Refused('expected a block')
  const parameters: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (COMMON.includes(name)) continue
    const read = parameterOf(name, value)
    if (read instanceof Refused) return read
    parameters[name] = read
  }
  const result = watchTarget(parameters as WatchParameters)
  if (!result.ok) return new Refused(result.message)
  const { datacenter = '', token = '', stale = false } = fields
  if (typeof datacenter !== 'string') return new Refused(`datacenter must be a text`)
  if (typeof token !== 'string') return new Refused('token must be a text')
  if (typeof stale !== 'boolean') return new Refused('stale must be true or false')
  const handler = handlerOf(fields)
  if (handler instanceof Refused) return handler
  return { target: result.target, handler, datacenter, token, stale }
}

function parameterOf(name: string, value: Json): unknown {
  if (name === 'passingonly') {
    return typeof value === 'boolean' ? value : new Refused('passingonly must be true or false')
  }
  if (name === 'tag') return textsOf(value) ?? new Refused('tag must be a text or a list of texts')
  if (name === 'handler')
    return new Refused('handler is not supported: write args = ["/bin/sh", "-c", …]')
  if (TEXTS.some((known) => known === name) && typeof value !== 'string') {
    return new Refused(`${name} must be a text`)
  }
  return value // of an unknown name: refused with all others
}

function handlerOf(fields: JsonObject): WatchHandler | Refused {
  const { handler_type: kind = 'script', args, http_handler_config: http } = fields
  if (kind === 'script') {
    const list = args === undefined ? undefined : textsOf(args)
    if (list === undefined || (list[0] ?? '') === '') {
      return new Refused('args must be a list: the program to run, and its arguments')
    }
    return { kind, args: list }
  }
  if (kind !== 'http') return new Refused(`Handler type '${String(kind)}' not recognized`)
  if (http === undefined) {
    return new Refused(`Handler type 'http' requires 'http_handler_config' to be set`)
  }
  return httpHandlerOf(http)
}

function httpHandlerOf(config: Json): WatchHandler | Refused {
  // A block may be written as a list of one.
  const fields = objectOf(
    Array.isArray(config) && config.length === 1 ? (config[0] ?? null) : config,
  )
  if (fields === null) return new Refused('http_handler_config must be a block')
  const { path = '', method = 'POST', timeout = '', header = {}, tls_skip_verify = false } = fields
  if (typeof path !== 'string' || !/^https?:\/\//.test(path) || !isUrl(path)) {
    return new Refused(`http_handler_config.path must be a URL of http or https`)
  }
  if (typeof method !== 'string' || !/^[A-Z]{1,16}$/.test(method)) {
    return new Refused('http_handler_config.method must be a method such as POST')
  }
  const timeoutMs = timeout === '' ? HTTP_TIMEOUT_MS : parseDurationMs(String(timeout))
  if (timeoutMs === undefined || timeoutMs <= 0) {
    return new Refused('http_handler_config.timeout must be a duration such as "10s"')
  }
  if (typeof tls_skip_verify !== 'boolean') {
    return new Refused('http_handler_config.tls_skip_verify must be true or false')
  }
  const headers = headersOf(header)
  if (headers === null) {
    return new Refused('http_handler_config.header must map names to lists of texts')
  }
  return { kind: 'http', url: path, method, timeoutMs, headers, tlsSkipVerify: tls_skip_verify }
}

function headersOf(value: Json): Record<string, readonly string[]> | null {
  const fields = objectOf(value)
  if (fields === null) return null
  const headers: [string, readonly string[]][] = []
  for (const [name, given] of Object.entries(fields)) {
    const texts = textsOf(given)
    const isName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)
    if (texts === undefined || !isName || texts.some((text) => /[\r\n\0]/.test(text))) return null
    headers.push([name, texts])
  }
  return Object.fromEntries(headers)
}

function objectOf(value: Json): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null
}

function textsOf(value: Json): readonly string[] | undefined {
  const items = Array.isArray(value) ? value : [value]
  return items.every((item) => typeof item === 'string') ? items : undefined
}

function isUrl(text: string): boolean {
  return /^https?:\/\/[^\s/?#]+(?:[/?#][^\s]*)?$/.test(text)
}
