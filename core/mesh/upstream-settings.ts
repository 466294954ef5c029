/**
 * What a calling service sets for its upstreams (mesh.md 7.3, 8.2), as the proxy is told of it. Pure.
 *
 * Keyed by cluster, all that the chain of an upstream leads to: an explicit upstream's own first, then the override of the
 * service's `UpstreamConfig`; `defaults` for the rest.
 */

import type { JsonObject, ServiceDefinition } from '../catalog/types.ts'
import type { CompiledChain } from '../chain/types.ts'
import { implicitUpstream, overriddenUpstreams } from '../config-entries/central-config.ts'
import { durationAt, hasField, numberAt, objectAt } from '../config-entries/read-field.ts'
import { NS_PER_MS } from '../duration.ts'
import { OUTLIER_DEFAULTS, type OutlierSettings } from '../resilience/outlier.ts'
import { serviceIdentityId } from './demand.ts'
import type { CallerSettings, UpstreamSettings } from './proxy-snapshot.ts'

export interface UpstreamSettingsInputs {
  /** With their central configuration, by id. */
  readonly sidecars: readonly ServiceDefinition[]
  readonly chains: ReadonlyMap<string, CompiledChain>
  /** `UpstreamConfig` of a service's defaults. */
  readonly upstreamConfigOf: (service: string) => JsonObject | undefined
}

/** Only of identities that set something. */
export function callerSettings(inputs: UpstreamSettingsInputs): readonly CallerSettings[] {
  const found = new Map<string, CallerSettings>()
  for (const { proxy } of inputs.sidecars) {
    if (proxy === undefined) continue
    const identityId = serviceIdentityId(proxy.destinationServiceName)
    const central = inputs.upstreamConfigOf(proxy.destinationServiceName)
    const byCluster: Record<string, UpstreamSettings> = { ...found.get(identityId)?.byCluster }
    const add = (service: string, config: JsonObject | null): void => {
      const settings = settingsOf(config ?? {})
      for (const target of Object.values(inputs.chains.get(service)?.targets ?? {})) {
        if (Object.keys(settings).length > 0) byCluster[target.name] ??= settings
      }
    }
    for (const upstream of proxy.upstreams) add(upstream.destinationName, upstream.config)
    for (const name of overriddenUpstreams(central)) add(name, implicitUpstream(central, name))
    const defaults = settingsOf(implicitUpstream(central, ''))
    if (Object.keys(byCluster).length === 0 && Object.keys(defaults).length === 0) continue
    found.set(identityId, { identityId, defaults, byCluster })
  }
  return [...found.values()]
}

/** Keys as a registration has them; those below `limits` and `passive_health_check` in either spelling. */
export function settingsOf(config: JsonObject): UpstreamSettings {
  const connectTimeoutMs = numberAt(config, 'connect_timeout_ms')
  const limits = objectAt(config, 'limits')
  const check = objectAt(config, 'passive_health_check')
  return {
    ...(connectTimeoutMs > 0 ? { connectTimeoutMs } : {}),
    ...limitOf(limits, 'MaxConnections', 'max_connections', 'maxConnections'),
    ...limitOf(limits, 'MaxPendingRequests', 'max_pending_requests', 'maxPending'),
    ...limitOf(limits, 'MaxConcurrentRequests', 'max_concurrent_requests', 'maxRequests'),
    ...(check === undefined ? {} : { outlier: outlierOf(check) }),
  }
}

function limitOf(
  limits: JsonObject | undefined,
  camel: string,
  snake: string,
  as: 'maxConnections' | 'maxPending' | 'maxRequests',
): UpstreamSettings {
  const key = keyOf(limits, camel, snake)
  return key === undefined ? {} : { [as]: numberAt(limits, key) }
}

function outlierOf(check: JsonObject): OutlierSettings {
  const numberOr = (camel: string, snake: string, otherwise: number): number => {
    const key = keyOf(check, camel, snake)
    return key === undefined ? otherwise : numberAt(check, key)
  }
  const msOr = (camel: string, snake: string, otherwise: number): number => {
    const key = keyOf(check, camel, snake)
    const ms = key === undefined ? 0 : durationAt(check, key) / NS_PER_MS
    return ms > 0 ? ms : otherwise
  }
  const known = OUTLIER_DEFAULTS
  return {
    intervalMs: msOr('Interval', 'interval', known.intervalMs),
    // Consul takes a zero for "not given".
    maxFailures: numberOr('MaxFailures', 'max_failures', 0) || known.maxFailures,
    enforcing: numberOr('EnforcingConsecutive5xx', 'enforcing_consecutive_5xx', known.enforcing),
    maxEjectionPercent: numberOr(
      'MaxEjectionPercent',
      'max_ejection_percent',
      known.maxEjectionPercent,
    ),
    baseEjectionMs: msOr('BaseEjectionTime', 'base_ejection_time', known.baseEjectionMs),
  }
}

function keyOf(body: JsonObject | undefined, camel: string, snake: string): string | undefined {
  return [camel, snake].find((key) => hasField(body, key))
}
