/**
 * From a decoded check to a CheckSpec, and the rules a check must keep before anything is registered.
 *
 * Texts are those of http-api.md 10.2, without the prefix that the caller knows. Does not look at the state
 * of the agent: whether scripts are enabled or the service exists is decided by LocalState.
 * Bounds: agent/local/limits.ts.
 */

import type { CheckStatus } from '../../core/catalog/types.ts'
import { Place } from '../../core/decode/place.ts'
import {
  CHECK_TYPE,
  type DecodedCheckDefinition,
  type DecodedCheckType,
} from './definition-schema.ts'
import { HEADERS_MAX, NAME_LENGTH_MAX, SCRIPT_ARGS_MAX, TEXT_LENGTH_MAX } from './limits.ts'
import type { CheckSpec } from './types.ts'

type DecodedCheck = DecodedCheckType | DecodedCheckDefinition
type HostResource = NonNullable<CheckSpec['host']>['resource']

const HOST_RESOURCES: ReadonlySet<string> = new Set<HostResource>(['cpu', 'memory', 'disk'])

const EMPTY_CHECK = JSON.stringify(CHECK_TYPE.read({}, Place.root('json')))

/** A `Check: {}` beside nothing else means no check. */
export function isEmptyCheck(check: DecodedCheckType): boolean {
  return JSON.stringify(check) === EMPTY_CHECK
}

export function isCheckStatus(text: string): text is CheckStatus {
  return text === 'passing' || text === 'warning' || text === 'critical'
}

/** @returns what is wrong with the check, or undefined */
export function checkProblem(check: DecodedCheck): string | undefined {
  return timingProblem(check) ?? numberProblem(check) ?? sizeProblem(check) ?? hostProblem(check)
}

/** Requires `checkProblem` to have found nothing. Status is set where it is one of the three. */
export function checkSpecOf(check: DecodedCheck): CheckSpec {
  const isDocker = check.dockerContainerId !== ''
  return {
    checkId: check.id,
    name: check.name,
    notes: check.notes,
    ...(isCheckStatus(check.status) ? { status: check.status } : {}),
    serviceId: check.serviceId,
    ...networkProbe(check),
    ...(check.args.length > 0 && !isDocker ? { script: { args: check.args } } : {}),
    ...(isDocker
      ? {
          docker: {
            containerId: check.dockerContainerId,
            shell: check.shell,
            args: check.args,
          },
        }
      : {}),
    ...(isAlias(check) ? { alias: { node: check.aliasNode, serviceId: check.aliasService } } : {}),
    ...(check.ttlMs > 0 ? { ttlMs: check.ttlMs } : {}),
    ...(check.osService === '' ? {} : { osService: check.osService }),
    ...hostProbe(check),
    tlsServerName: check.tlsServerName,
    tlsSkipVerify: check.tlsSkipVerify,
    intervalMs: check.intervalMs,
    timeoutMs: check.timeoutMs,
    successBeforePassing: Math.max(0, check.successBeforePassing),
    ...(check.failuresBeforeWarning === undefined
      ? {}
      : { failuresBeforeWarning: Math.max(0, check.failuresBeforeWarning) }),
    failuresBeforeCritical: Math.max(0, check.failuresBeforeCritical),
    deregisterCriticalServiceAfterMs: Math.max(0, check.deregisterAfterMs),
    outputMaxSize: check.outputMaxSize,
  }
}

function networkProbe(check: DecodedCheck): Partial<CheckSpec> {
  return {
    ...(check.http === ''
      ? {}
      : {
          http: {
            url: check.http,
            method: check.method || 'GET',
            header: check.header,
            body: check.body,
            disableRedirects: check.disableRedirects,
          },
        }),
    ...(check.tcp === '' ? {} : { tcp: { address: check.tcp, useTls: check.tcpUseTls } }),
    ...(check.udp === '' ? {} : { udp: { address: check.udp } }),
    ...(check.grpc === '' ? {} : { grpc: { target: check.grpc, useTls: check.grpcUseTls } }),
    ...(check.h2ping === ''
      ? {}
      : { h2ping: { address: check.h2ping, useTls: check.h2pingUseTls } }),
  }
}

function hostProbe(check: DecodedCheck): Partial<CheckSpec> {
  const host = check.host
  if (host === undefined || !isHostResource(host.resource)) return {}
  return {
    host: {
      resource: host.resource,
      path: host.path,
      warningPercent: host.warningPercent,
      criticalPercent: host.criticalPercent,
    },
  }
}

function isHostResource(text: string): text is HostResource {
  return HOST_RESOURCES.has(text)
}

function isAlias(check: DecodedCheck): boolean {
  return check.aliasNode !== '' || check.aliasService !== ''
}

function isActive(check: DecodedCheck): boolean {
  return (
    check.args.length > 0 ||
    check.dockerContainerId !== '' ||
    check.http !== '' ||
    check.tcp !== '' ||
    check.udp !== '' ||
    check.grpc !== '' ||
    check.h2ping !== '' ||
    check.osService !== '' ||
    check.host !== undefined
  )
}

function timingProblem(check: DecodedCheck): string | undefined {
  const active = isActive(check)
  const alias = isAlias(check)
  if (check.intervalMs > 0 && check.ttlMs > 0) {
    return 'Interval and TTL cannot both be specified'
  }
  if (active && check.intervalMs <= 0) {
    return 'Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks'
  }
  if (active && alias) return 'Interval cannot be set for Alias checks'
  if (alias && check.ttlMs > 0) return 'TTL must be not be set for Alias checks'
  if (!active && !alias && check.ttlMs <= 0) return 'TTL must be > 0 for TTL checks'
  return undefined
}

function numberProblem(check: DecodedCheck): string | undefined {
  if (check.outputMaxSize < 0) return 'MaxOutputMaxSize must be positive'
  const beforeWarning = check.failuresBeforeWarning ?? check.failuresBeforeCritical
  if (beforeWarning > check.failuresBeforeCritical) {
    return "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"
  }
  return undefined
}

function sizeProblem(check: DecodedCheck): string | undefined {
  for (const [name, text] of [
    ['CheckID', check.id],
    ['Name', check.name],
    ['ServiceID', check.serviceId],
    ['AliasService', check.aliasService],
    ['AliasNode', check.aliasNode],
  ] as const) {
    if (text.length > NAME_LENGTH_MAX) return tooLong(name, text.length, NAME_LENGTH_MAX)
    if (text.includes('\0')) return `${name} cannot contain a NUL character`
  }
  for (const [name, text] of [
    ['Notes', check.notes],
    ['HTTP', check.http],
    ['TCP', check.tcp],
    ['UDP', check.udp],
    ['GRPC', check.grpc],
    ['H2PING', check.h2ping],
  ] as const) {
    if (text.length > TEXT_LENGTH_MAX) return tooLong(name, text.length, TEXT_LENGTH_MAX)
  }
  if (check.args.length > SCRIPT_ARGS_MAX) {
    return `ScriptArgs has ${check.args.length} elements, at most ${SCRIPT_ARGS_MAX} are allowed`
  }
  const headers = Object.keys(check.header).length
  if (headers > HEADERS_MAX) {
    return `Header has ${headers} names, at most ${HEADERS_MAX} are allowed`
  }
  return undefined
}

function tooLong(name: string, length: number, max: number): string {
  return `${name} has ${length} characters, at most ${max} are allowed`
}

function hostProblem(check: DecodedCheck): string | undefined {
  const host = check.host
  if (host === undefined) return undefined
  if (!isHostResource(host.resource)) {
    return `Host.Resource "${host.resource}" must be "cpu", "memory" or "disk"`
  }
  const inRange = (percent: number): boolean => percent > 0 && percent <= 100
  if (!inRange(host.warningPercent) || !inRange(host.criticalPercent)) {
    return 'Host.WarningPercent and Host.CriticalPercent must be above 0 and at most 100'
  }
  if (host.warningPercent > host.criticalPercent) {
    return "Host.WarningPercent can't be higher than Host.CriticalPercent"
  }
  return undefined
}
