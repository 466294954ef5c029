/**
 * The HTTP API's part of the configuration: blocking times, and who may ask what (agent-config.md 3.4).
 */

import { parseIpNetwork } from '../ip-network.ts'
import type { HttpConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'

const HEADER_BYTES_DEFAULT = 64 * 1024
const HEADER_BYTES_MAX = 16 * 1024 * 1024

export function resolveHttp(reader: RawReader, sockets: readonly string[]): HttpConfig {
  return {
    sockets,
    socketPermissions: {
      user: reader.text('unix_sockets.user', ''),
      group: reader.text('unix_sockets.group', ''),
      mode: resolveMode(reader),
    },
    ...resolveQueryTimes(reader),
    headerBytesMax: reader.number(
      'http_config.max_header_bytes',
      HEADER_BYTES_DEFAULT,
      1_024,
      HEADER_BYTES_MAX,
    ),
    useCache: reader.bool('http_config.use_cache', true),
    takesUnprintable: reader.bool('disable_http_unprintable_char_filter', false),
    blockedEndpoints: resolveBlocked(reader),
    writersFrom: resolveWriters(reader),
  }
}

function resolveQueryTimes(
  reader: RawReader,
): Pick<HttpConfig, 'queryTimeDefaultMs' | 'queryTimeMaxMs'> {
  const queryTimeMaxMs = reader.number('max_query_time', 600_000, 1)
  const queryTimeDefaultMs = reader.number('default_query_time', 300_000, 1)
  return { queryTimeMaxMs, queryTimeDefaultMs: Math.min(queryTimeDefaultMs, queryTimeMaxMs) }
}

function resolveMode(reader: RawReader): number | undefined {
  const key = 'unix_sockets.mode'
  const text = reader.text(key, '')
  if (text === '') return undefined
  if (!/^0?[0-7]{3}$/.test(text)) {
    reader.problem(key, `${key}: "${text}" is no mode`, 'write three octal digits, such as "0770"')
  }
  return Number.parseInt(text, 8)
}

/** One that does not begin with a slash would block nothing, which is not what was meant. */
function resolveBlocked(reader: RawReader): readonly string[] {
  const key = 'http_config.block_endpoints'
  const prefixes = reader.list(key)
  for (const prefix of prefixes) {
    if (prefix.startsWith('/')) continue
    reader.problem(
      key,
      `${key}: "${prefix}" is not the beginning of a path`,
      'write it as /v1/agent/leave',
    )
  }
  return prefixes
}

function resolveWriters(reader: RawReader): HttpConfig['writersFrom'] {
  const key = 'http_config.allow_write_http_from'
  return reader.list(key).flatMap((text) => {
    const network = parseIpNetwork(text)
    if (network !== null) return [network]
    reader.problem(
      key,
      `${key}: "${text}" is not a network`,
      'write it with its prefix, such as 127.0.0.0/8 or ::1/128',
    )
    return []
  })
}
