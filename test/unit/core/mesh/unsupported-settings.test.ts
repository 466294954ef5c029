/**
 * Every setting that the proxy does not obey has a name in the log.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { withCentralConfig } from '../../../../core/config-entries/central-config.ts'
import { unsupportedSettings } from '../../../../core/mesh/unsupported-settings.ts'
import { sidecarOf, upstreamTo } from './sidecars.ts'

function settings(defaults: JsonObject, global: JsonObject = {}): readonly string[] {
  const sidecar = sidecarOf('web', 21000, [upstreamTo('api', 9001)])
  return unsupportedSettings(
    withCentralConfig(sidecar, (kind) => (kind === 'proxy-defaults' ? global : defaults)),
  )
}

it('tells what config entries ask for in vain, and nothing else', () => {
  assert.deepEqual(settings({}), [])
  assert.deepEqual(
    settings({ Protocol: 'http', LocalRequestTimeoutMs: 10, MaxInboundConnections: 5 }),
    [],
  )
  assert.deepEqual(
    settings({ MeshGateway: { Mode: 'local' }, Expose: { Checks: true } }, { Mode: 'transparent' }),
    ['Expose.Checks', 'MeshGateway.Mode local', 'Mode transparent'],
  )
  assert.deepEqual(
    settings(
      { UpstreamConfig: { Defaults: { EnvoyClusterJSON: '{}' } } },
      { Config: { envoy_statsd_url: 'udp://127.0.0.1:1' } },
    ),
    ['Config.envoy_statsd_url', 'Upstreams[api].Config.envoy_cluster_json'],
  )
})
