/**
 * From a decoded service definition to a ServiceRegistration, with the checks that need no agent state.
 *
 * The order of the rules and their texts are those of service registration (http-api.md 9.7), so that of
 * several mistakes the same one is named. A sidecar stays unexpanded: its port depends on the agent.
 */

import type { ServiceDefinition, ServiceKind, Weights } from '../../core/catalog/types.ts'
import type { DecodeStyle } from '../../core/decode/place.ts'
import { checkProblem, checkSpecOf, isCheckStatus, isEmptyCheck } from './check-definitions.ts'
import type { DecodedCheckType, DecodedService, DecodedSidecar } from './definition-schema.ts'
import { CHECKS_PER_SERVICE_MAX } from './limits.ts'
import { metaProblem, weightsProblem } from './meta-rules.ts'
import { convertProxy, EMPTY_PROXY } from './proxy-definitions.ts'
import { isAnyAddress, isServiceKind, multiError, serviceProblems } from './service-rules.ts'
import type { CheckSpec, ServiceRegistration, SidecarDefinition } from './types.ts'

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string }

type Common = Omit<DecodedService, 'connect'>

const STATUS_PROBLEM = "Status for checks must 'passing', 'warning', 'critical'"

/**
 * @param style decides the defaults of absent weights (per value in files, 0 over HTTP) and how much is told:
 *   files hear of every problem, HTTP clients of the first, in the one text they know
 */
export function buildRegistration(
  decoded: DecodedService,
  style: DecodeStyle,
): Outcome<ServiceRegistration> {
  const found: string[] = []
  if (decoded.name === '') found.push('Missing service name')
  if (isAnyAddress(decoded.address)) found.push('Invalid service address')
  const weights = weightsOf(decoded, style) ?? { passing: 1, warning: 1 }
  const weightProblem = weightsProblem(weights)
  if (weightProblem !== undefined) found.push(`Invalid Weights: ${weightProblem}`)
  const badMeta = metaProblem(decoded.meta ?? {}, decoded.kind)
  if (badMeta !== undefined) found.push(`Invalid Service Meta: ${badMeta}`)

  const sidecar = decoded.connect?.sidecarService
  const { service, problems } = serviceOf(decoded, weights)
  const nested =
    sidecar === undefined
      ? undefined
      : {
          hasId: sidecar.id !== '',
          hasSidecar: (sidecar.connect?.sidecarService ?? null) !== null,
          style,
        }
  const broken = [...problems, ...serviceProblems(service, nested)]
  if (broken.length > 0) found.push(`Validation failed: ${multiError(broken, style)}`)

  const checks = checksOf(decoded, 'Invalid check')
  if (!checks.ok) found.push(checks.message)
  const built = sidecar === undefined ? undefined : buildSidecar(sidecar, style)
  if (built?.ok === false) found.push(built.message)
  if (found.length > 0 || !checks.ok || built?.ok === false) {
    return failed(style === 'config' ? found.join('; ') : (found[0] ?? ''))
  }
  const registration = { service, checks: checks.value, token: decoded.token }
  return {
    ok: true,
    value: built === undefined ? registration : { ...registration, sidecar: built.value },
  }
}

function buildSidecar(
  decoded: DecodedSidecar,
  style: DecodeStyle,
): Outcome<NonNullable<ServiceRegistration['sidecar']>> {
  const checks = checksOf(decoded, 'Invalid check in sidecar_service')
  if (!checks.ok) return checks
  const invalid = (reason: string): Outcome<never> => failed(`Invalid SidecarService: ${reason}`)
  if (isAnyAddress(decoded.address)) return invalid('Invalid service address')
  if (!isServiceKind(decoded.kind)) return invalid(unknownKind(decoded.kind))
  const badMeta = metaProblem(decoded.meta ?? {}, decoded.kind)
  if (badMeta !== undefined) return invalid(badMeta)
  const weights = weightsOf(decoded, style)
  const weightProblem = weights === undefined ? undefined : weightsProblem(weights)
  if (weightProblem !== undefined) return invalid(weightProblem)
  const converted = decoded.proxy === undefined ? undefined : convertProxy(decoded.proxy)
  if (converted !== undefined && converted.problems.length > 0) {
    return invalid(multiError(converted.problems, style))
  }
  const service: SidecarDefinition = {
    ...(decoded.kind === '' ? {} : { kind: decoded.kind }),
    ...(decoded.name === '' ? {} : { service: decoded.name }),
    ...((decoded.tags ?? []).length === 0 ? {} : { tags: decoded.tags ?? [] }),
    ...(decoded.address === '' ? {} : { address: decoded.address }),
    ...(decoded.port === 0 ? {} : { port: decoded.port }),
    ...(decoded.socketPath === '' ? {} : { socketPath: decoded.socketPath }),
    ...(decoded.taggedAddresses === undefined ? {} : { taggedAddresses: decoded.taggedAddresses }),
    ...(isEmptyMap(decoded.meta) ? {} : { meta: decoded.meta ?? {} }),
    ...(weights === undefined ? {} : { weights }),
    ...(decoded.enableTagOverride ? { enableTagOverride: true } : {}),
    ...(converted === undefined ? {} : { proxy: converted.proxy }),
    ...(decoded.locality === undefined ? {} : { locality: decoded.locality }),
  }
  return { ok: true, value: { service, checks: checks.value, token: decoded.token } }
}

function serviceOf(
  decoded: DecodedService,
  weights: Weights,
): { readonly service: ServiceDefinition; readonly problems: readonly string[] } {
  const problems: string[] = []
  let kind: ServiceKind = ''
  if (isServiceKind(decoded.kind)) kind = decoded.kind
  else problems.push(unknownKind(decoded.kind))
  const converted = decoded.proxy === undefined ? undefined : convertProxy(decoded.proxy)
  if (kind !== '' && converted !== undefined) problems.push(...converted.problems)
  const service: ServiceDefinition = {
    kind,
    id: decoded.id || decoded.name,
    service: decoded.name,
    tags: decoded.tags ?? [],
    address: decoded.address,
    port: decoded.port,
    socketPath: decoded.socketPath,
    taggedAddresses: decoded.taggedAddresses ?? {},
    meta: decoded.meta ?? {},
    weights,
    enableTagOverride: decoded.enableTagOverride,
    ...(kind === '' ? {} : { proxy: converted?.proxy ?? EMPTY_PROXY }),
    connectNative: decoded.connect?.native ?? false,
    ...(decoded.locality === undefined ? {} : { locality: decoded.locality }),
  }
  return { service, problems }
}

/** @returns undefined when the definition says nothing about weights */
function weightsOf(decoded: Common, style: DecodeStyle): Weights | undefined {
  if (decoded.weights === undefined) return undefined
  const absent = style === 'config' ? 1 : 0
  return {
    passing: decoded.weights.passing ?? absent,
    warning: decoded.weights.warning ?? absent,
  }
}

function checksOf(decoded: Common, prefix: string): Outcome<readonly CheckSpec[]> {
  const all: DecodedCheckType[] = []
  if (decoded.check !== undefined && !isEmptyCheck(decoded.check)) all.push(decoded.check)
  for (const check of decoded.checks) if (check !== null) all.push(check)
  if (all.length > CHECKS_PER_SERVICE_MAX) {
    return failed(`${prefix}: ${all.length} checks, at most ${CHECKS_PER_SERVICE_MAX} are allowed`)
  }
  for (const check of all) {
    const problem = checkProblem(check)
    if (problem !== undefined) return failed(`${prefix}: ${problem}`)
  }
  for (const check of all) {
    if (check.status !== '' && !isCheckStatus(check.status)) return failed(STATUS_PROBLEM)
  }
  // A service id inside a service's check is accepted and means nothing.
  return { ok: true, value: all.map((check) => ({ ...checkSpecOf(check), serviceId: '' })) }
}

function unknownKind(kind: string): string {
  return `unknown service kind "${kind}"`
}

function isEmptyMap(map: object | undefined): boolean {
  return map === undefined || Object.keys(map).length === 0
}

function failed(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message }
}
