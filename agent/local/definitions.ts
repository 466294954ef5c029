/**
 * Service and check definitions as users give them, to registrations: the one way in for HTTP and files.
 *
 * Guarantees: what comes out has kept every rule that needs no agent state; the rest (scripts enabled, the
 * service of a check exists, a free sidecar port) is LocalState's. Over HTTP the first mistake is thrown,
 * with its exact text; from files all are returned.
 * Source: http-api.md 9.7, 9.10, 10; mesh.md 2; agent-config.md 4, 5.
 */

import { decodeValue } from '../../core/decode/body.ts'
import { decode } from '../../core/decode/decoder.ts'
import { FairleadError } from '../../core/errors.ts'
import { checkProblem, checkSpecOf, isCheckStatus } from './check-definitions.ts'
import {
  CHECK_DEFINITION,
  type DecodedCheckDefinition,
  SERVICE_DEFINITION,
} from './definition-schema.ts'
import { buildRegistration, type Outcome } from './service-definitions.ts'
import type { CheckSpec, ServiceRegistration } from './types.ts'

export interface CheckRegistration {
  readonly spec: CheckSpec
  readonly token: string
}

export interface ConfiguredDefinitions {
  readonly services: readonly ServiceRegistration[]
  readonly checks: readonly CheckRegistration[]
}

/** @param body parsed JSON of service/register. @throws FairleadError BAD_REQUEST */
export function serviceRegistrationFromBody(body: unknown): ServiceRegistration {
  const decoded = decodeValue(SERVICE_DEFINITION, body)
  return orThrow(buildRegistration(decoded, 'json'))
}

/** @param body parsed JSON of check/register. @throws FairleadError BAD_REQUEST */
export function checkRegistrationFromBody(body: unknown): CheckRegistration {
  const decoded = decodeValue(CHECK_DEFINITION, body)
  if (decoded.name === '') throw new FairleadError('BAD_REQUEST', 'Missing check name')
  if (decoded.status !== '' && !isCheckStatus(decoded.status)) {
    throw new FairleadError('BAD_REQUEST', 'Bad check status')
  }
  return orThrow(buildCheck(decoded))
}

/**
 * Decodes the definitions of configuration files.
 *
 * @returns every problem found, each naming its definition; registrations only when there is none
 */
export function definitionsFromConfig(found: {
  readonly services: readonly unknown[]
  readonly checkDefinitions: readonly unknown[]
}):
  | { readonly ok: true; readonly value: ConfiguredDefinitions }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const problems: string[] = []
  const services: ServiceRegistration[] = []
  const checks: CheckRegistration[] = []
  for (const [i, raw] of found.services.entries()) {
    const decoded = decode(SERVICE_DEFINITION, raw, { style: 'config', path: `services[${i}]` })
    if (!decoded.ok) {
      for (const problem of decoded.problems) problems.push(problem.message)
      continue
    }
    const { name, id, socketPath, address, port } = decoded.value
    const label = `service "${id || name}"`
    if (socketPath !== '' && (address !== '' || port !== 0)) {
      problems.push(
        `service ${name} cannot have both socket path ${socketPath} and address/port ${address}:${port}`,
      )
    }
    const built = buildRegistration(decoded.value, 'config')
    if (built.ok) services.push(built.value)
    else problems.push(`${label}: ${built.message}`)
  }
  for (const [i, raw] of found.checkDefinitions.entries()) {
    const decoded = decode(CHECK_DEFINITION, raw, { style: 'config', path: `checks[${i}]` })
    if (!decoded.ok) {
      for (const problem of decoded.problems) problems.push(problem.message)
      continue
    }
    const built = buildConfiguredCheck(decoded.value)
    if (built.ok) checks.push(built.value)
    else problems.push(`check "${decoded.value.id || decoded.value.name}": ${built.message}`)
  }
  return problems.length === 0 ? { ok: true, value: { services, checks } } : { ok: false, problems }
}

function buildConfiguredCheck(decoded: DecodedCheckDefinition): Outcome<CheckRegistration> {
  if (decoded.name === '' && decoded.id === '') {
    return { ok: false, message: 'Missing check name' }
  }
  if (decoded.status !== '' && !isCheckStatus(decoded.status)) {
    return { ok: false, message: 'Bad check status' }
  }
  return buildCheck(decoded.name === '' ? { ...decoded, name: decoded.id } : decoded)
}

function buildCheck(decoded: DecodedCheckDefinition): Outcome<CheckRegistration> {
  const problem = checkProblem(decoded)
  if (problem !== undefined) return { ok: false, message: `Invalid check: ${problem}` }
  const spec = checkSpecOf(decoded)
  return {
    ok: true,
    value: { spec: { ...spec, checkId: spec.checkId || spec.name }, token: decoded.token },
  }
}

function orThrow<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new FairleadError('BAD_REQUEST', outcome.message)
}
