/**
 * The command operators of access log formats, `%NAME(argument):length%`, as Envoy has them (mesh.md 11.6). Pure.
 *
 * A format is compiled once. An operator that is not known, or lacks what it needs, is an error that names it: a
 * log that silently lacks a column is found out when it is needed.
 */

import { logTime } from './log-time.ts'
import type { ExchangeRecord } from './record.ts'

/** undefined: there is no such value for this request. */
export type LogValue = string | number | undefined
export type LogOperator = (record: ExchangeRecord) => LogValue

/** What does not change while a proxy runs. */
export interface LogFacts {
  readonly hostname: string
}

export class LogFormatError extends Error {}

const OPERATOR = /^([A-Z0-9_]+)(?:\((.*)\))?(?::(\d+))?$/s

/** @param text between the percent signs. @throws LogFormatError */
export function compileOperator(text: string, facts: LogFacts): LogOperator {
  const parts = OPERATOR.exec(text)
  const [, name = '', argument, length] = parts ?? []
  const operator = parts === null ? undefined : operatorOf(name, argument, facts)
  if (operator === undefined) {
    throw new LogFormatError(`unknown operator "%${text}%"`)
  }
  if (length === undefined) return operator
  const max = Number(length)
  return (record) => {
    const value = operator(record)
    return typeof value === 'string' ? value.slice(0, max) : value
  }
}

function operatorOf(
  name: string,
  argument: string | undefined,
  facts: LogFacts,
): LogOperator | undefined {
  switch (name) {
    case 'START_TIME':
      return (record) => logTime(record.startedAt, argument)
    case 'REQ':
      return fieldOf(name, argument, (record, field) => requestValue(record, field))
    case 'RESP':
      return fieldOf(name, argument, (record, field) => record.responseField(field))
    case 'TRAILER':
      return fieldOf(name, argument, () => undefined)
    case 'DYNAMIC_METADATA':
      return dynamicMetadata(argument ?? '')
    case 'HOSTNAME':
      return () => facts.hostname
    default:
      return argument === undefined ? PLAIN[name] : undefined
  }
}

/** Names of fields: the first that is there. */
function fieldOf(
  name: string,
  argument: string | undefined,
  read: (record: ExchangeRecord, field: string) => string | undefined,
): LogOperator {
  const [first = '', second] = (argument ?? '').toLowerCase().split('?')
  if (first === '') throw new LogFormatError(`%${name}% needs the name of a field: %${name}(HOST)%`)
  return (record) =>
    read(record, first) ?? (second === undefined ? undefined : read(record, second))
}

function requestValue(record: ExchangeRecord, field: string): string | undefined {
  switch (field) {
    case ':method':
      return record.method
    case ':path':
      return record.path
    case ':authority':
      return record.requestField('host')
    case ':scheme':
      return record.requestField('x-forwarded-proto')
    case 'x-envoy-original-path':
      // `path` is the original one.
      return undefined
    default:
      return record.requestField(field)
  }
}

/** What Envoy parses from the certificate of the caller. */
function dynamicMetadata(argument: string): LogOperator {
  const key = argument.slice(argument.indexOf(':') + 1)
  const part = /^consul:/.test(argument) ? key : ''
  const pattern: Record<string, RegExp> = {
    'trust-domain': /^spiffe:\/\/([^/]+)/,
    namespace: /\/ns\/([^/]+)/,
    datacenter: /\/dc\/([^/]+)/,
    service: /\/svc\/([^/]+)/,
  }
  const wanted = pattern[part]
  return (record) => (part === 'partition' ? 'default' : wanted?.exec(record.peerUri)?.[1])
}

const PLAIN: Readonly<Record<string, LogOperator>> = {
  PROTOCOL: (record) => record.protocol,
  RESPONSE_CODE: (record) => record.status,
  RESPONSE_FLAGS: (record) => orNone(record.flags.join(',')),
  RESPONSE_CODE_DETAILS: (record) => orNone(record.details),
  CONNECTION_TERMINATION_DETAILS: () => undefined,
  BYTES_RECEIVED: (record) => record.receivedBytes,
  BYTES_SENT: (record) => record.sentBytes,
  DURATION: (record) => Math.round(record.durationMs),
  REQUEST_DURATION: (record) => Math.round(record.durationMs),
  RESPONSE_DURATION: (record) =>
    record.responseStartMs === undefined ? undefined : Math.round(record.responseStartMs),
  ROUTE_NAME: (record) => orNone(record.route),
  UPSTREAM_HOST: (record) => orNone(record.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: (record) => orNone(record.upstreamHost),
  UPSTREAM_CLUSTER: (record) => orNone(record.cluster),
  UPSTREAM_LOCAL_ADDRESS: () => undefined,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (record) => orNone(record.failureReason),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (record) => record.attempts,
  DOWNSTREAM_LOCAL_ADDRESS: (record) => orNone(record.localAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (record) => orNone(withoutPort(record.localAddress)),
  DOWNSTREAM_REMOTE_ADDRESS: (record) => orNone(record.remoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (record) => orNone(withoutPort(record.remoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (record) => orNone(record.remoteAddress),
  DOWNSTREAM_PEER_URI_SAN: (record) => orNone(record.peerUri),
  DOWNSTREAM_PEER_SUBJECT: () => undefined,
  DOWNSTREAM_TLS_VERSION: (record) => orNone(record.tlsVersion),
  REQUESTED_SERVER_NAME: (record) => orNone(record.serverName),
  TRACE_ID: (record) => orNone(record.traceId),
  CONNECTION_ID: (record) => record.connectionId,
}

function orNone(text: string): string | undefined {
  return text === '' ? undefined : text
}

function withoutPort(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')))
}
