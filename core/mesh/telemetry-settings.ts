/**
 * What proxy-defaults and the registrations of this host say about telemetry, for the proxy. Pure.
 *
 * Understands Consul's keys (AccessLogs; of Config: envoy_prometheus_bind_addr, envoy_stats_bind_addr,
 * envoy_tracing_json with the collector in envoy_extra_static_clusters_json, envoy_listener_tracing_json) and ours
 * (fairlead_tracing, fairlead_access_logs, fairlead_access_log_percent). What cannot be obeyed is said, with its
 * field, and left out; the rest holds.
 */

import type { Json, JsonObject, ServiceDefinition } from '../catalog/types.ts'
import { flagAt, objectAt, textAt } from '../config-entries/read-field.ts'
import { DEFAULT_LOG_FIELDS, type LogFormat, logFormatProblem } from '../exchange/log-format.ts'
import type { AccessLogSettings, BindAddress, ProxyTelemetry } from './proxy-snapshot.ts'
import { TRACING_KEYS, tracingSettings } from './tracing-settings.ts'

export interface TelemetrySettings {
  readonly telemetry: ProxyTelemetry
  readonly problems: readonly string[]
}

const PERCENT_KEY = 'fairlead_access_log_percent'
const SWITCH_KEY = 'fairlead_access_logs'
const BIND_KEYS = ['envoy_prometheus_bind_addr', 'envoy_stats_bind_addr'] as const

/** Keys of Config that are understood here. */
export const TELEMETRY_KEYS: readonly string[] = [
  ...BIND_KEYS,
  ...TRACING_KEYS,
  PERCENT_KEY,
  SWITCH_KEY,
]

/** @param sidecars of this host */
export function telemetrySettings(
  proxyDefaults: JsonObject | undefined,
  sidecars: readonly ServiceDefinition[],
): TelemetrySettings {
  const problems: string[] = []
  const config = objectAt(proxyDefaults ?? {}, 'Config') ?? {}
  const metricsBinds = bindsOf([config, ...sidecars.map((s) => s.proxy?.config ?? {})], problems)
  const logs = objectAt(proxyDefaults ?? {}, 'AccessLogs')
  const accessLogs =
    logs !== undefined && flagAt(logs, 'Enabled')
      ? accessLogSettings(logs, config, sidecars, problems)
      : undefined
  const tracing = tracingSettings(config, problems)
  return {
    telemetry: {
      metricsBinds,
      ...(accessLogs === undefined ? {} : { accessLogs }),
      ...(tracing === undefined ? {} : { tracing }),
    },
    problems,
  }
}

function bindsOf(configs: readonly JsonObject[], problems: string[]): readonly BindAddress[] {
  const binds = new Map<string, BindAddress>()
  for (const config of configs) {
    for (const key of BIND_KEYS) {
      const text = config[key]
      if (text === undefined || text === '') continue
      const bind = typeof text === 'string' ? parseBind(text) : undefined
      if (bind === undefined) problems.push(`${key}: ${JSON.stringify(text)} is no address:port`)
      else binds.set(`${bind.address} ${bind.port}`, bind)
    }
  }
  return [...binds.values()]
}

function parseBind(text: string): BindAddress | undefined {
  const parts = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)|localhost):(\d{1,5})$/.exec(text)
  if (parts === null) return undefined
  const port = Number(parts[3])
  if (port < 1 || port > 65_535) return undefined
  return { address: parts[1] ?? parts[2] ?? '127.0.0.1', port }
}

function accessLogSettings(
  logs: JsonObject,
  config: JsonObject,
  sidecars: readonly ServiceDefinition[],
  problems: string[],
): AccessLogSettings {
  const percents: Record<string, number> = {}
  for (const { proxy } of sidecars) {
    const own = percentOf(proxy?.config ?? {}, problems)
    if (own !== undefined) percents[proxy?.destinationServiceName ?? ''] = own
  }
  const type = textAt(logs, 'Type')
  return {
    sink:
      type === 'file'
        ? { kind: 'file', path: textAt(logs, 'Path') }
        : { kind: type === 'stderr' ? 'stderr' : 'stdout' },
    format: formatOf(logs, problems),
    percent: percentOf(config, problems) ?? 100,
    percents,
  }
}

/** undefined: nothing is said. */
function percentOf(config: JsonObject, problems: string[]): number | undefined {
  const isOn = config[SWITCH_KEY]
  if (isOn === false) return 0
  if (isOn !== undefined && isOn !== true) problems.push(`${SWITCH_KEY} must be true or false`)
  const percent = config[PERCENT_KEY]
  if (percent === undefined) return isOn === true ? 100 : undefined
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return percent
  problems.push(`${PERCENT_KEY} must be a number from 0 to 100`)
  return undefined
}

function formatOf(logs: JsonObject, problems: string[]): LogFormat {
  const text = textAt(logs, 'TextFormat')
  const json = textAt(logs, 'JSONFormat')
  const given: LogFormat | undefined =
    text === '' ? jsonFormat(json) : { kind: 'text', text: text.replace(/\n$/, '') }
  const standard: LogFormat = { kind: 'json', fields: DEFAULT_LOG_FIELDS }
  if (given === undefined) {
    if (json !== '')
      problems.push('AccessLogs.JSONFormat must be a JSON object; the default is used')
    return standard
  }
  const problem = logFormatProblem(given)
  if (problem === undefined) return given
  const field = given.kind === 'text' ? 'TextFormat' : 'JSONFormat'
  problems.push(`AccessLogs.${field}: ${problem}; the default is used`)
  return standard
}

function jsonFormat(text: string): LogFormat | undefined {
  try {
    const value: Json = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? { kind: 'json', fields: value as JsonObject } : undefined
  } catch {
    return undefined
  }
}
