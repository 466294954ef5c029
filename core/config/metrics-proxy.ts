/**
 * The metrics store to which the API passes requests of user interfaces on (agent-config.md 3, http-api.md 26).
 *
 * Bounds: HEADERS_MAX headers, PATHS_MAX paths.
 */

import type { Json } from '../catalog/types.ts'
import type { MetricsProxyConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'

const HEADERS_MAX = 32
const PATHS_MAX = 256
const KEY = 'ui_config.metrics_proxy'
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export function resolveMetricsProxy(reader: RawReader): MetricsProxyConfig | undefined {
  const baseUrl = reader.text(`${KEY}.base_url`, '')
  const headers = resolveHeaders(reader)
  const pathAllowlist = resolvePaths(reader)
  if (baseUrl === '') return undefined
  if (!isStoreUrl(baseUrl)) {
    reader.problem(
      `${KEY}.base_url`,
      `${KEY}.base_url: "${baseUrl}" must be an HTTP or HTTPS URL without a query`,
      'write for instance http://prometheus.example:9090',
    )
  }
  return { baseUrl: baseUrl.replace(/\/+$/, ''), headers, pathAllowlist }
}

function isStoreUrl(text: string): boolean {
  return /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text)
}

function resolveHeaders(reader: RawReader): MetricsProxyConfig['headers'] {
  const key = `${KEY}.add_headers`
  const given = reader.definitions(key)
  if (given.length > HEADERS_MAX) {
    const message = `${key} has ${given.length} headers; at most ${HEADERS_MAX} are allowed`
    reader.problem(key, message, 'add those that the store asks for')
  }
  return given.map(({ body }) => {
    const fields = (body ?? {}) as Readonly<Record<string, Json>>
    const { name, value } = fields
    const isHeader =
      typeof name === 'string' &&
      typeof value === 'string' &&
      HEADER_NAME.test(name) &&
      HEADER_VALUE.test(value)
    if (!isHeader) {
      reader.problem(key, `${key}: an entry is no header`, 'write name and value as texts')
    }
    return [String(name ?? ''), String(value ?? '')] as const
  })
}

function resolvePaths(reader: RawReader): readonly string[] {
  const key = `${KEY}.path_allowlist`
  const paths = reader.list(key)
  if (paths.length > PATHS_MAX) {
    const message = `${key} has ${paths.length} paths; at most ${PATHS_MAX} are allowed`
    reader.problem(key, message, 'keep the paths that are asked for')
  }
  for (const path of paths) {
    if (!path.startsWith('/')) {
      reader.problem(key, `${key}: "${path}" does not begin with /`, 'write the whole path')
    }
  }
  return paths
}
