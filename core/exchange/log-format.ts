/**
 * Lines of access logs: a text with operators in it, or a JSON object whose texts have them (mesh.md 11.6). Pure.
 *
 * In JSON a text that is one operator and nothing else keeps the kind of its value: numbers stay numbers, and what
 * is absent is null. In texts what is absent reads `-`.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import {
  compileOperator,
  type LogFacts,
  LogFormatError,
  type LogOperator,
} from './log-operators.ts'
import type { ExchangeRecord } from './record.ts'

export type LogFormat =
  | { readonly kind: 'json'; readonly fields: JsonObject }
  | { readonly kind: 'text'; readonly text: string }

/** @returns a line with its end */
export type LineWriter = (record: ExchangeRecord) => string

/** What Consul has its proxies write when no format is given. */
export const DEFAULT_LOG_FIELDS: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
}

/** @throws LogFormatError */
export function compileLogFormat(format: LogFormat, facts: LogFacts): LineWriter {
  if (format.kind === 'text') {
    const write = compileText(format.text, facts)
    return (record) => `${write(record)}\n`
  }
  const write = compileObject(format.fields, facts)
  return (record) => `${JSON.stringify(write(record))}\n`
}

/** @returns what is wrong with a format, undefined when nothing is */
export function logFormatProblem(format: LogFormat): string | undefined {
  try {
    compileLogFormat(format, { hostname: '' })
    return undefined
  } catch (thrown) {
    if (thrown instanceof LogFormatError) return thrown.message
    throw thrown
  }
}

type Part = string | LogOperator

function compileText(text: string, facts: LogFacts): (record: ExchangeRecord) => string {
  const parts = partsOf(text, facts)
  return (record) => {
    let line = ''
    for (const part of parts) line += typeof part === 'string' ? part : (part(record) ?? '-')
    return line
  }
}

function compileValue(value: Json, facts: LogFacts): (record: ExchangeRecord) => Json {
  if (typeof value === 'string') {
    const [only, ...others] = partsOf(value, facts)
    if (typeof only === 'function' && others.length === 0) return (record) => only(record) ?? null
    return compileText(value, facts)
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(item, facts))
    return (record) => items.map((item) => item(record))
  }
  if (typeof value === 'object' && value !== null) return compileObject(value as JsonObject, facts)
  return () => value
}

function compileObject(
  fields: JsonObject,
  facts: LogFacts,
): (record: ExchangeRecord) => JsonObject {
  const compiled = Object.entries(fields).map(
    ([name, value]) => [name, compileValue(value, facts)] as const,
  )
  return (record) => Object.fromEntries(compiled.map(([name, write]) => [name, write(record)]))
}

/** Texts and operators in turn; `%%` is a percent sign. */
function partsOf(text: string, facts: LogFacts): readonly Part[] {
  const parts: Part[] = []
  let plain = ''
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '%') {
      plain += text[at++]
      continue
    }
    if (text[at + 1] === '%') {
      plain += '%'
      at += 2
      continue
    }
    const end = endOfOperator(text, at + 1)
    if (end < 0) throw new LogFormatError(`operator without an end: "${text.slice(at)}"`)
    if (plain !== '') parts.push(plain)
    plain = ''
    parts.push(compileOperator(text.slice(at + 1, end), facts))
    at = end + 1
  }
  if (plain !== '') parts.push(plain)
  return parts
}

/** The percent sign that ends it: not one inside parentheses, where formats of times have theirs. */
function endOfOperator(text: string, from: number): number {
  let isInside = false
  for (let at = from; at < text.length; at++) {
    if (text[at] === '(') isInside = true
    else if (text[at] === ')') isInside = false
    else if (text[at] === '%' && !isInside) return at
  }
  return -1
}
