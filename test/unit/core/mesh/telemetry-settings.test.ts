/**
 * Telemetry as config entries ask for it: Consul's keys and ours, and what is said of mistakes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { DEFAULT_LOG_FIELDS } from '../../../../core/exchange/log-format.ts'
import { telemetrySettings } from '../../../../core/mesh/telemetry-settings.ts'

const settings = (config: JsonObject, logs?: JsonObject): ReturnType<typeof telemetrySettings> =>
  telemetrySettings({ Config: config, ...(logs === undefined ? {} : { AccessLogs: logs }) }, [])

describe('telemetry settings', () => {
  it('are nothing but counting when nobody asks', () => {
    assert.deepEqual(telemetrySettings(undefined, []), {
      telemetry: { metricsBinds: [] },
      problems: [],
    })
    assert.deepEqual(settings({}, { Enabled: false, Type: 'stdout' }).telemetry, {
      metricsBinds: [],
    })
  })

  it('name each address for scrapes once, and what is none', () => {
    const { telemetry, problems } = settings({
      envoy_prometheus_bind_addr: '0.0.0.0:9102',
      envoy_stats_bind_addr: '[::1]:9103',
    })
    assert.deepEqual(telemetry.metricsBinds, [
      { address: '0.0.0.0', port: 9102 },
      { address: '::1', port: 9103 },
    ])
    assert.deepEqual(problems, [])
    const bad = settings({ envoy_prometheus_bind_addr: '9102' })
    assert.deepEqual(bad.telemetry.metricsBinds, [])
    assert.deepEqual(bad.problems, ['envoy_prometheus_bind_addr: "9102" is no address:port'])
  })

  it('take the formats of access logs, and the default for those with mistakes', () => {
    const standard = { kind: 'json', fields: DEFAULT_LOG_FIELDS }
    const formatOf = (logs: JsonObject): unknown =>
      settings({}, { Enabled: true, ...logs }).telemetry.accessLogs?.format
    assert.deepEqual(formatOf({}), standard)
    assert.deepEqual(formatOf({ TextFormat: '%PROTOCOL%\n' }), { kind: 'text', text: '%PROTOCOL%' })
    assert.deepEqual(formatOf({ JSONFormat: '{"a":"%DURATION%"}' }), {
      kind: 'json',
      fields: { a: '%DURATION%' },
    })
    const bad = settings({}, { Enabled: true, TextFormat: '%NO_SUCH%' })
    assert.deepEqual(bad.telemetry.accessLogs?.format, standard)
    assert.deepEqual(bad.problems, [
      'AccessLogs.TextFormat: unknown operator "%NO_SUCH%"; the default is used',
    ])
  })

  it('log the part that is asked for', () => {
    const part = settings({ fairlead_access_log_percent: 5 }, { Enabled: true })
    assert.equal(part.telemetry.accessLogs?.percent, 5)
    const off = settings({ fairlead_access_logs: false }, { Enabled: true })
    assert.equal(off.telemetry.accessLogs?.percent, 0)
    const bad = settings({ fairlead_access_log_percent: 500 }, { Enabled: true })
    assert.equal(bad.telemetry.accessLogs?.percent, 100)
    assert.deepEqual(bad.problems, ['fairlead_access_log_percent must be a number from 0 to 100'])
  })

  it('send spans where our own key says', () => {
    const { telemetry } = settings({
      fairlead_tracing: { otlp_endpoint: 'http://127.0.0.1:4318', sample_percent: 2.5 },
    })
    assert.deepEqual(telemetry.tracing, {
      to: { kind: 'otlp', url: 'http://127.0.0.1:4318/v1/traces' },
      percent: 2.5,
      propagate: ['w3c', 'b3'],
    })
    for (const own of [
      {},
      { otlp_endpoint: 'https://a/' },
      { otlp_endpoint: 'http://a', zipkin_endpoint: 'http://b' },
      { zipkin_endpoint: 'http://a', sample_percent: 101 },
    ] as JsonObject[]) {
      const bad = settings({ fairlead_tracing: own })
      assert.equal(bad.telemetry.tracing, undefined)
      assert.equal(bad.problems.length, 1)
      assert.match(bad.problems[0] ?? '', /^fairlead_tracing/)
    }
  })

  it("send spans where Consul's example configuration has Envoy send them", () => {
    const zipkin = {
      envoy_tracing_json: JSON.stringify({
        http: {
          name: 'envoy.tracers.zipkin',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig',
            collector_cluster: 'collector',
            collector_endpoint_version: 'HTTP_JSON',
            collector_endpoint: '/api/v2/spans',
            shared_span_context: false,
          },
        },
      }),
      envoy_extra_static_clusters_json: JSON.stringify({
        name: 'collector',
        connect_timeout: '3s',
        type: 'STRICT_DNS',
        load_assignment: {
          cluster_name: 'collector',
          endpoints: [
            {
              lb_endpoints: [
                {
                  endpoint: {
                    address: { socket_address: { address: 'tracing.local', port_value: 9411 } },
                  },
                },
              ],
            },
          ],
        },
      }),
    }
    const { telemetry, problems } = settings({
      ...zipkin,
      envoy_listener_tracing_json: '{"random_sampling":{"value":12}}',
    })
    assert.deepEqual(problems, [])
    assert.deepEqual(telemetry.tracing?.to, {
      kind: 'zipkin',
      url: 'http://tracing.local:9411/api/v2/spans',
    })
    assert.equal(telemetry.tracing?.percent, 12)
    assert.equal(settings(zipkin).telemetry.tracing?.percent, 0)
    const { envoy_tracing_json } = zipkin
    assert.deepEqual(settings({ envoy_tracing_json }).problems, [
      'envoy_tracing_json: no cluster "collector" in envoy_extra_static_clusters_json',
    ])
  })
})
