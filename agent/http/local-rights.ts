/**
 * Rights on what is registered at this agent: services, checks, and what is shown of them (http-api.md 9).
 *
 * A service needs rights on its name, a check those of its service, or of the node. What is replaced or removed counts as
 * well as what comes in its place. Without access control nothing is asked.
 */

import { assertAllowed, type Bearer, isAnonymous } from '../../core/acl/denial.ts'
import { keep, type Seen, seesCheck, seesInstance } from '../../core/acl/read-rights.ts'
import type { Access } from '../../core/acl/rule.ts'
import type { HealthEntry, ServiceDefinition } from '../../core/catalog/types.ts'
import { sidecarIdOf } from '../local/sidecar.ts'
import type { LocalCheck, LocalService, ServiceRegistration } from '../local/types.ts'
import type { HttpCall } from './call.ts'

const FILTERED: readonly string[] = ['X-Consul-Results-Filtered-By-Acls', 'true']

/** What may be seen, and the header that says that there is more. */
export interface Shown<T> {
  readonly values: readonly T[]
  readonly headers: readonly string[]
}

export async function shownServices(call: HttpCall): Promise<Shown<LocalService>> {
  const all = [...call.agent.local.services().values()]
  return shown(await call.bearer(), all, ({ service }, bearer) =>
    bearer.authorizer.allows('service', 'read', service.service),
  )
}

export async function shownChecks(call: HttpCall): Promise<Shown<LocalCheck>> {
  const { local } = call.agent
  return shown(await call.bearer(), [...local.checks().values()], ({ check }, bearer) => {
    const { serviceName } = check
    if (serviceName === '')
      return seesCheck({ node: local.nodeName, serviceName }, bearer.authorizer)
    return bearer.authorizer.allows('service', 'read', serviceName)
  })
}

export async function shownMembers<M extends { readonly name: string }>(
  call: HttpCall,
  members: readonly M[],
): Promise<Shown<M>> {
  return shown(await call.bearer(), members, ({ name }, bearer) =>
    bearer.authorizer.allows('node', 'read', name),
  )
}

export async function shownEvents<E extends { readonly name: string }>(
  call: HttpCall,
  events: readonly E[],
): Promise<Shown<E>> {
  return shown(await call.bearer(), events, ({ name }, bearer) =>
    bearer.authorizer.allows('event', 'read', name),
  )
}

/** Of a view, which holds what this agent may see. */
export function seenEntries(
  bearer: Bearer | undefined,
  entries: readonly HealthEntry[],
): Seen<readonly HealthEntry[]> {
  if (bearer === undefined) return { value: entries, isFiltered: false }
  const seen = keep(entries, (entry) => seesInstance(entry, bearer.authorizer))
  return { value: seen.value, isFiltered: seen.isFiltered && !isAnonymous(bearer) }
}

/**
 * On each name that the registration bears or stands for, and on each that it takes the place of: a proxy gets the
 * certificate of the service it stands for.
 *
 * @throws FairleadError PERMISSION_DENIED
 */
export async function assertMayRegister(
  call: HttpCall,
  { service, sidecar }: ServiceRegistration,
): Promise<void> {
  const bearer = await call.bearer()
  if (bearer === undefined) return
  const id = service.id === '' ? service.service : service.id
  const names = new Set(namesOf(service))
  for (const name of formerNames(call, id)) names.add(name)
  if (sidecar !== undefined) {
    const { proxy } = sidecar.service
    names.add(sidecar.service.service ?? `${service.service}-sidecar-proxy`)
    if (proxy?.destinationServiceName) names.add(proxy.destinationServiceName)
    for (const name of formerNames(call, sidecarIdOf(id))) names.add(name)
  }
  for (const name of names) assertAllowed(bearer, 'service', 'write', name)
}

function formerNames(call: HttpCall, id: string): readonly string[] {
  const former = call.agent.local.services().get(id)
  return former === undefined ? [] : namesOf(former.service)
}

function namesOf({ service, proxy }: ServiceDefinition): readonly string[] {
  const destination = proxy?.destinationServiceName ?? ''
  return destination === '' ? [service] : [service, destination]
}

/** Of one that is registered; an unknown id is left to be told by who looks for it. */
export async function assertMayOnService(
  call: HttpCall,
  id: string,
  access: Access,
): Promise<void> {
  const found = call.agent.local.services().get(id)
  if (found !== undefined) await call.assertMay('service', access, found.service.service)
}

/** @throws FairleadError PERMISSION_DENIED */
export async function assertMayRegisterCheck(
  call: HttpCall,
  { checkId, name, serviceId }: { checkId: string; name: string; serviceId: string },
): Promise<void> {
  await assertMayOnCheck(call, checkId === '' ? name : checkId)
  await assertMayOnOwner(call, serviceId)
}

/** Of one that is registered; an unknown id is left to be told by who looks for it. */
export async function assertMayOnCheck(call: HttpCall, id: string): Promise<void> {
  const found = call.agent.local.checks().get(id)
  if (found !== undefined) await assertMayOnOwner(call, found.check.serviceId)
}

/** @param serviceId '' for what belongs to the node */
async function assertMayOnOwner(call: HttpCall, serviceId: string): Promise<void> {
  const { local } = call.agent
  if (serviceId === '') return call.assertMay('node', 'write', local.nodeName)
  const name = local.services().get(serviceId)?.service.service
  return call.assertMay('service', 'write', name ?? serviceId)
}

function shown<T>(
  bearer: Bearer | undefined,
  all: readonly T[],
  isSeen: (value: T, bearer: Bearer) => boolean,
): Shown<T> {
  if (bearer === undefined) return { values: all, headers: [] }
  const seen = keep(all, (value) => isSeen(value, bearer))
  return { values: seen.value, headers: seen.isFiltered && !isAnonymous(bearer) ? FILTERED : [] }
}
