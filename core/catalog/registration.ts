/**
 * The commands `register` and `deregister`: nodes, services and checks in one step (http-api.md 11).
 */

import { deleteCheck, ensureCheck } from './checks.ts'
import type { DeregisterRequest, RegisterRequest } from './commands.ts'
import { type Draft, type Refusal, refuse } from './draft.ts'
import { deleteNode, ensureNode } from './nodes.ts'
import { registrationProblem } from './registration-rules.ts'
import { deleteService, ensureService } from './services.ts'
import { nameKey } from './state.ts'
import type { CheckDefinition, ServiceDefinition } from './types.ts'

export function register(draft: Draft, request: RegisterRequest): Refusal | undefined {
  const problem = registrationProblem(request)
  if (problem !== undefined) return refuse(problem)
  const key = nameKey(request.node)
  if (!request.skipNodeUpdate || !draft.next.nodes.has(key)) {
    const refusal = registerNode(draft, request)
    if (refusal !== undefined) return refusal
  }
  if (request.service !== undefined) {
    const refusal = ensureService(draft, key, withServiceId(request.service))
    if (refusal !== undefined) return refusal
  }
  for (const check of request.checks) {
    const refusal = ensureCheck(draft, key, withCheckId(check))
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** Succeeds also when nothing matches; whether that is told to the caller is a matter of his rights. */
export function deregister(draft: Draft, request: DeregisterRequest): Refusal | undefined {
  if (request.node === '') return refuse('Must provide node')
  const key = nameKey(request.node)
  const serviceId = request.serviceId ?? ''
  const checkId = request.checkId ?? ''
  if (serviceId !== '') deleteService(draft, key, serviceId)
  else if (checkId !== '') deleteCheck(draft, key, checkId)
  else deleteNode(draft, key)
  return undefined
}

export function withServiceId(service: ServiceDefinition): ServiceDefinition {
  return service.id === '' ? { ...service, id: service.service } : service
}

export function withCheckId(check: CheckDefinition): CheckDefinition {
  return check.checkId === '' ? { ...check, checkId: check.name } : check
}

function registerNode(draft: Draft, request: RegisterRequest): Refusal | undefined {
  const refusal = ensureNode(draft, {
    id: request.id,
    node: request.node,
    address: request.address,
    datacenter: draft.datacenter,
    taggedAddresses: request.taggedAddresses,
    meta: request.meta,
    ...(request.locality === undefined ? {} : { locality: request.locality }),
  })
  if (refusal === undefined) return undefined
  return { ...refusal, message: `failed inserting node: ${refusal.message}` }
}
