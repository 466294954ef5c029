/**
 * /v1/agent/metrics and /v1/agent/monitor: what this agent counts, and its log as it is written (http-api.md 9.5).
 *
 * Both streams end with the client or with the agent. A reader that is too slow for the log loses lines, is told
 * how many, and they are counted.
 */

import type { LogLevel } from '../../../core/config/model.ts'
import { FairleadError } from '../../../core/errors.ts'
import { TELEMETRY_METRICS } from '../../../core/metrics/catalogue/telemetry.ts'
import { PROMETHEUS_TEXT_TYPE } from '../../../core/metrics/exposition.ts'
import type { HttpCall } from '../call.ts'
import { liveStream } from '../live-stream.ts'
import { renderJson } from '../render.ts'
import { emptyReply, JSON_TYPE, jsonReply, type Reply, TEXT_TYPE } from '../reply.ts'
import type { Route } from '../route.ts'
import { intervalText } from '../wire/interval.ts'

export const AGENT_TELEMETRY_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/metrics',
    doc: 'Metrics of the last ten seconds, or all of them in the format of Prometheus',
    query: ['format'],
    methods: { GET: metrics },
  },
  {
    path: '/v1/agent/metrics/stream',
    doc: 'Metrics of every ten seconds, one JSON object each, until the client ends it',
    methods: { GET: metricsStream },
  },
  {
    path: '/v1/agent/monitor',
    doc: 'The log as it is written, until the client ends it',
    query: ['loglevel', 'logjson'],
    methods: { GET: monitor },
  },
]

const PROMETHEUS_OFF = 'Prometheus is not enabled since its retention time is not positive'
/** Lines are sent together for so long. */
const MONITOR_GATHER_MS = 200

const LEVELS: Readonly<Record<string, LogLevel>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  err: 'error',
  error: 'error',
}

function metrics(call: HttpCall): Reply {
  const { telemetry } = call.agent
  if (!wantsPrometheus(call)) return jsonReply(intervalText(telemetry.lastInterval()))
  const text = telemetry.prometheus()
  if (text === undefined) return emptyReply(415, ['X-Consul-Reason', PROMETHEUS_OFF])
  return { status: 200, type: PROMETHEUS_TEXT_TYPE, headers: [], body: text }
}

function wantsPrometheus(call: HttpCall): boolean {
  if (call.query.get('format') === 'prometheus') return true
  return (call.header('accept') ?? '').split(',').some((item) => {
    const [type, parameter] = item.split(';', 2).map((part) => part.trim().toLowerCase())
    if (type === 'application/openmetrics-text') return true
    // 0.4.0 is what Consul looks for, 0.0.4 what the format is called.
    return type === 'text/plain' && /^version=0\.(?:0\.4|4\.0)$/.test(parameter ?? '')
  })
}

function metricsStream({ agent, signal }: HttpCall): Reply {
  const body = liveStream({
    signal,
    gatherMs: 0,
    sleep: agent.clock.sleep,
    source: (push) =>
      agent.telemetry.onInterval((interval) =>
        push(`${renderJson(intervalText(interval), 'indented')}\n`),
      ),
    onRefused: () => {},
  })
  return { status: 200, type: JSON_TYPE, headers: [], body }
}

function monitor(call: HttpCall): Reply {
  const { agent, query, signal } = call
  const given = query.get('loglevel')
  const level = LEVELS[given === '' ? 'info' : given.toLowerCase()]
  if (level === undefined) throw new FairleadError('BAD_REQUEST', `Unknown log level: ${given}`)
  const json = query.has('logjson')
  const dropped = agent.telemetry.metrics.counter(TELEMETRY_METRICS.monitorDropped)
  const body = liveStream({
    signal,
    gatherMs: MONITOR_GATHER_MS,
    sleep: agent.clock.sleep,
    source: (push) => agent.logLines.follow({ level, json, write: push }),
    onRefused: () => dropped.increment(),
    noteOf: (refused) => droppedNote(refused, json),
  })
  return { status: 200, type: TEXT_TYPE, headers: [], body }
}

function droppedNote(count: number, json: boolean): string {
  if (!json) return `[WARN]  Monitor dropped ${count} logs during monitor request\n`
  const message = 'monitor was too slow for the log'
  return `${JSON.stringify({ '@level': 'warn', '@message': message, dropped: count })}\n`
}
