/**
 * Rules of upstream settings in service-defaults and gateways (mesh.md 7.3).
 */

import type { JsonObject } from '../catalog/types.ts'
import { durationAt, hasField, numberAt, objectAt, textAt } from './read-field.ts'

export function upstreamProblem(
  upstream: JsonObject,
  role: 'defaults' | 'override',
): string | undefined {
  const name = textAt(upstream, 'Name')
  if (role === 'override') {
    if (name === '') return 'Name is required'
    if (name === '*') return 'Wildcard name is not supported'
  } else if (name !== '') {
    return 'Name must be empty'
  }
  const balance = textAt(upstream, 'BalanceOutboundConnections')
  if (balance !== '' && balance !== 'exact_balance') {
    return `invalid value for balance_outbound_connections: ${balance}`
  }
  if (numberAt(upstream, 'ConnectTimeoutMs') < 0) return 'connect timeout cannot be negative'
  return (
    connectionLimitsProblem(objectAt(upstream, 'Limits')) ??
    passiveHealthCheckProblem(objectAt(upstream, 'PassiveHealthCheck'))
  )
}

export function connectionLimitsProblem(limits: JsonObject | undefined): string | undefined {
  if (numberAt(limits, 'MaxConnections') < 0) return 'max connections cannot be negative'
  if (numberAt(limits, 'MaxPendingRequests') < 0) return 'max pending requests cannot be negative'
  if (numberAt(limits, 'MaxConcurrentRequests') < 0) {
    return 'max concurrent requests cannot be negative'
  }
  return undefined
}

export function passiveHealthCheckProblem(check: JsonObject | undefined): string | undefined {
  if (check === undefined) return undefined
  if (durationAt(check, 'Interval') < 0) return 'passive health check interval cannot be negative'
  if (!isPercentage(check, 'EnforcingConsecutive5xx')) {
    return 'passive health check enforcing_consecutive_5xx must be a percentage between 0 and 100'
  }
  if (!isPercentage(check, 'MaxEjectionPercent')) {
    return 'passive health check max_ejection_percent must be a percentage between 0 and 100'
  }
  if (durationAt(check, 'BaseEjectionTime') < 0) {
    return 'passive health check base_ejection_time cannot be negative'
  }
  return undefined
}

function isPercentage(check: JsonObject, key: string): boolean {
  if (!hasField(check, key)) return true
  const value = numberAt(check, key)
  return value >= 0 && value <= 100
}
