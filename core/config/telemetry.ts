/**
 * The telemetry part of the configuration (agent-config.md 12).
 *
 * Bounds: RULES_MAX rules of the filter, TAGS_MAX tags.
 */

import type { NameFilter, NameRule } from '../metrics/naming.ts'
import type { TelemetryConfig, UdpTarget } from './model.ts'
import type { RawReader } from './raw-reader.ts'

const RULES_MAX = 256
const TAGS_MAX = 64

export function resolveTelemetry(reader: RawReader): TelemetryConfig {
  const dogstatsd = resolveTarget(reader, 'telemetry.dogstatsd_addr')
  const tags = resolveTags(reader)
  return {
    prefix: resolvePrefix(reader),
    disableHostname: reader.bool('telemetry.disable_hostname', false),
    filter: resolveFilter(reader),
    prometheusRetentionMs: reader.number('telemetry.prometheus_retention_time', 0),
    statsd: resolveTarget(reader, 'telemetry.statsd_address'),
    dogstatsd: dogstatsd === undefined ? undefined : { ...dogstatsd, tags },
  }
}

function resolvePrefix(reader: RawReader): string {
  const key = 'telemetry.metrics_prefix'
  const prefix = reader.text(key, 'consul')
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$|^$/.test(prefix)) {
    reader.problem(key, `${key}: "${prefix}" cannot begin a name`, 'use letters, digits, _ and .')
  }
  return prefix
}

function resolveFilter(reader: RawReader): NameFilter {
  const key = 'telemetry.prefix_filter'
  const given = reader.list(key)
  if (given.length > RULES_MAX) {
    const message = `${key} has ${given.length} rules; at most ${RULES_MAX} are allowed`
    reader.problem(key, message, 'write shorter prefixes')
  }
  const rules: NameRule[] = []
  for (const text of given) {
    const sign = text[0]
    if (text === '') reader.warnings.push('Cannot have empty filter rule in prefix_filter')
    else if (sign !== '+' && sign !== '-') {
      reader.warnings.push(`Filter rule must begin with either '+' or '-': "${text}"`)
    } else rules.push({ prefix: text.slice(1), isAllowed: sign === '+' })
  }
  return { rules, default: reader.bool('telemetry.filter_default', true) }
}

function resolveTarget(reader: RawReader, key: string): UdpTarget | undefined {
  const given = reader.text(key, '')
  if (given === '') return undefined
  const parts = /^(?:\[([0-9a-fA-F:]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(given)
  const port = Number(parts?.[3])
  if (parts === null || port < 1 || port > 65_535) {
    reader.problem(key, `${key}: "${given}" is not host:port`, 'write for instance 127.0.0.1:8125')
    return undefined
  }
  return { host: parts[1] ?? parts[2] ?? '', port }
}

function resolveTags(reader: RawReader): readonly string[] {
  const key = 'telemetry.dogstatsd_tags'
  const tags = reader.list(key)
  if (tags.length > TAGS_MAX) {
    const message = `${key} has ${tags.length} tags; at most ${TAGS_MAX} are allowed`
    reader.problem(key, message, 'keep the tags that are queried')
  }
  for (const tag of tags) {
    // Either would end the tag, or the line, in the protocol.
    if (/^$|[\s,|#]/.test(tag)) {
      reader.problem(key, `${key}: "${tag}" is not a tag`, 'write name:value without blanks')
    }
  }
  return tags
}
