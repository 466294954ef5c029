/**
 * Which rights a command needs that an agent wants written (http-api.md, the ACL column of every section). Pure.
 *
 * Guarantees: a kind of command without a row does not compile; what is replaced or removed counts as well as what
 * comes in its place, so that nobody takes over another's name. Looks at the state as it is when the command is
 * accepted; apply does not ask again.
 */

import { assertNever } from '../assert.ts'
import type {
  Command,
  DeregisterRequest,
  KvOp,
  KvReadOp,
  ObjectVerb,
  RegisterRequest,
  TxnError,
  TxnOp,
} from '../catalog/commands.ts'
import { sameData } from '../catalog/equality.ts'
import type { StateReader } from '../catalog/store-api.ts'
import type { CheckDefinition, NodeDump, NodeRecord, ServiceDefinition } from '../catalog/types.ts'
import { FairleadError, toFairleadError } from '../errors.ts'
import { isTemplate, type PreparedQuery } from '../queries/types.ts'
import { configEntryRight, servicesReferredTo } from './config-entry-rights.ts'
import { assertAllowed, type Bearer, denied } from './denial.ts'

/** @throws FairleadError PERMISSION_DENIED, or REJECTED for what cannot be found and may not be known */
export function checkWrite(
  command: Command,
  bearer: Bearer,
  state: Pick<StateReader, 'read' | 'acl'>,
): void {
  switch (command.kind) {
    case 'register':
      checkRegister(command.request, bearer, state)
      return
    case 'deregister':
      checkDeregister(command.request, bearer, state)
      return
    case 'kv':
      checkKv(command.op, bearer)
      return
    case 'txn':
      return // each operation has an outcome of its own: txnDenials
    case 'session.create':
      assertAllowed(bearer, 'session', 'write', command.session.node)
      return
    case 'session.destroy': {
      const session = state.read('session.get', { id: command.id }).value
      if (session !== null) assertAllowed(bearer, 'session', 'write', session.node)
      return
    }
    case 'intention.set': {
      const { id, destinationName } = command.intention
      const known = id === '' ? null : state.read('intention.get', { id }).value
      if (known !== null) assertAllowed(bearer, 'intention', 'write', known.destinationName)
      assertAllowed(bearer, 'intention', 'write', destinationName)
      return
    }
    case 'intention.replace':
      assertAllowed(bearer, 'intention', 'write', command.destinationName)
      return
    case 'intention.delete': {
      const known = state.read('intention.get', command.by).value
      const name = 'destinationName' in command.by ? command.by.destinationName : undefined
      const destination = known?.destinationName ?? name
      if (destination !== undefined) assertAllowed(bearer, 'intention', 'write', destination)
      return
    }
    case 'virtual-ip.set':
      assertAllowed(bearer, 'mesh', 'write')
      return
    case 'config.set':
    case 'config.delete':
      checkConfig(command, bearer)
      return
    case 'ca.config.set':
    case 'ca.revoke':
    case 'ca.reinstate':
    case 'autopilot.config.set':
      assertAllowed(bearer, 'operator', 'write')
      return
    case 'query.set': {
      const known = state.read('query.get', { id: command.query.id }).value
      if (known !== null) checkQuery(known, bearer)
      checkQuery(command.query, bearer)
      return
    }
    case 'query.delete': {
      const known = state.read('query.get', { id: command.id }).value
      if (known !== null) checkQuery(known, bearer)
      return
    }
    case 'acl.token.delete':
      assertAllowed(bearer, 'acl', 'write')
      if (command.accessorId !== bearer.accessorId) return
      throw rejected("Deletion of the request's authorization token is not permitted")
    case 'acl.token.set':
    case 'acl.policy.set':
    case 'acl.policy.delete':
    case 'acl.role.set':
    case 'acl.role.delete':
    case 'acl.auth-method.set':
    case 'acl.auth-method.delete':
    case 'acl.binding-rule.set':
    case 'acl.binding-rule.delete':
    // Who makes one makes nodes, and servers.
    case 'join-token.set':
    case 'join-token.delete':
      assertAllowed(bearer, 'acl', 'write')
      return
    case 'acl.bootstrap':
    case 'acl.token.reap':
    case 'join-token.use':
    case 'tombstone.reap':
    case 'ca.roots.set':
    case 'ca.serial.take':
    case 'coordinate.batch':
    case 'restore.begin':
    case 'restore.piece':
    case 'restore.end':
    case 'restore.abort':
    case 'noop':
      throw denied(bearer, 'operator', 'write') // written by servers alone (server/api/write-rules.ts)
    default:
      assertNever(command, 'command')
  }
}

/** The operations of a transaction that its sender may not have; reads are judged by what they find. */
export function txnDenials(
  ops: readonly TxnOp[],
  bearer: Bearer,
  state: Pick<StateReader, 'read' | 'acl'>,
): readonly TxnError[] {
  const errors: TxnError[] = []
  for (const [opIndex, op] of ops.entries()) {
    try {
      checkTxnOp(op, bearer, state)
    } catch (thrown) {
      errors.push({ opIndex, what: toFairleadError(thrown).message })
    }
  }
  return errors
}

function checkTxnOp(op: TxnOp, bearer: Bearer, state: Pick<StateReader, 'read' | 'acl'>): void {
  if (op.type === 'kv') {
    checkKv(op.op, bearer)
    return
  }
  if (isRead(op.verb)) return
  if (op.type === 'node') {
    assertAllowed(bearer, 'node', 'write', op.node.node)
    checkHolder(op.node, bearer, state)
  } else if (op.type === 'service') checkService(op.service, nodeOf(state, op.node), bearer)
  else checkCheck(op.check, nodeOf(state, op.node), { node: op.node, bearer })
}

function isRead(verb: ObjectVerb): boolean {
  return verb === 'get'
}

function checkKv(op: KvOp | KvReadOp, bearer: Bearer): void {
  switch (op.verb) {
    case 'set':
    case 'cas':
    case 'lock':
    case 'unlock':
      assertAllowed(bearer, 'key', 'write', op.entry.key)
      return
    case 'delete':
    case 'delete-cas':
      assertAllowed(bearer, 'key', 'write', op.key)
      return
    case 'delete-tree':
      if (bearer.authorizer.allowsUnder('key', 'write', op.key)) return
      throw denied(bearer, 'key', 'write', op.key)
    case 'check-index':
    case 'check-session':
    case 'check-not-exists':
      assertAllowed(bearer, 'key', 'read', op.key)
      return
    case 'get':
    case 'get-or-empty':
    case 'get-tree':
      return // what they find is filtered
    default:
      assertNever(op)
  }
}

function checkRegister(
  request: RegisterRequest,
  bearer: Bearer,
  state: Pick<StateReader, 'read' | 'acl'>,
): void {
  const known = nodeOf(state, request.node)
  if (changesNode(request, known?.node)) {
    assertAllowed(bearer, 'node', 'write', request.node)
    if (known !== null) assertAllowed(bearer, 'node', 'write', known.node.node)
    checkHolder(request, bearer, state)
  }
  const { service } = request
  if (service !== undefined) checkService(service, known, bearer)
  for (const check of request.checks) {
    checkCheck(check, known, { node: request.node, bearer, service })
  }
}

/** A node that comes with the id of another takes its place: the other's name counts as well. */
function checkHolder(
  { id }: { readonly id: string },
  bearer: Bearer,
  state: Pick<StateReader, 'acl'>,
): void {
  const holder = id === '' ? undefined : state.acl().nodeOfId(id)
  if (holder !== undefined) assertAllowed(bearer, 'node', 'write', holder)
}

function changesNode(request: RegisterRequest, known: NodeRecord | undefined): boolean {
  if (known === undefined) return true
  if (request.skipNodeUpdate) return false
  if (request.id !== '' && request.id !== known.id) return true
  return (
    request.address !== known.address ||
    !sameData(request.taggedAddresses ?? {}, known.taggedAddresses ?? {}) ||
    !sameData(request.meta ?? {}, known.meta ?? {}) ||
    !sameData(request.locality ?? null, known.locality ?? null)
  )
}

/** Its own name, the name that its id has now, and what a proxy stands for. */
function checkService(service: ServiceDefinition, known: NodeDump | null, bearer: Bearer): void {
  assertAllowed(bearer, 'service', 'write', service.service)
  const id = service.id === '' ? service.service : service.id
  const former = known?.services.find((each) => each.id === id)
  if (former !== undefined) assertAllowed(bearer, 'service', 'write', former.service)
  const destination = service.kind === 'connect-proxy' ? service.proxy?.destinationServiceName : ''
  if (destination !== undefined && destination !== '') {
    assertAllowed(bearer, 'service', 'write', destination)
  }
}

function checkCheck(
  check: CheckDefinition,
  known: NodeDump | null,
  {
    node,
    bearer,
    service,
  }: {
    readonly node: string
    readonly bearer: Bearer
    readonly service?: ServiceDefinition | undefined
  },
): void {
  const id = check.checkId === '' ? check.name : check.checkId
  const former = known?.checks.find((each) => each.checkId === id)
  if (former !== undefined) assertOwner(former.serviceName, node, bearer)
  if (check.serviceId === '') {
    assertOwner('', node, bearer)
    return
  }
  const isOfNew =
    service !== undefined && (service.id === '' ? service.service : service.id) === check.serviceId
  const name = isOfNew
    ? service.service
    : known?.services.find((each) => each.id === check.serviceId)?.service
  assertOwner(name ?? check.serviceName, node, bearer)
}

/** @param service '' for what belongs to the node */
function assertOwner(service: string, node: string, bearer: Bearer): void {
  if (service === '') assertAllowed(bearer, 'node', 'write', node)
  else assertAllowed(bearer, 'service', 'write', service)
}

function checkDeregister(
  request: DeregisterRequest,
  bearer: Bearer,
  state: Pick<StateReader, 'read' | 'acl'>,
): void {
  const { node, serviceId = '', checkId = '' } = request
  const known = nodeOf(state, node)
  const name = known?.node.node ?? node
  const mayAll = bearer.authorizer.allows('node', 'write', name)
  if (mayAll && bearer.authorizer.allows('node', 'write', node)) return
  if (serviceId !== '') {
    const service = known?.services.find(({ id }) => id === serviceId)
    if (service === undefined)
      throw rejected(
        `Unknown service ID '${serviceId}'. Ensure that the service ID is passed, not the service name.`,
      )
    assertAllowed(bearer, 'service', 'write', service.service)
    return
  }
  if (checkId !== '') {
    const check = known?.checks.find((each) => each.checkId === checkId)
    if (check === undefined)
      throw rejected(
        `Unknown check ID '${checkId}'. Ensure that the check ID is passed, not the check name.`,
      )
    assertOwner(check.serviceName, name, bearer)
    return
  }
  throw denied(bearer, 'node', 'write', node)
}

function checkConfig(
  command: Extract<Command, { kind: 'config.set' | 'config.delete' }>,
  bearer: Bearer,
): void {
  const { entryKind, name } = command
  const { resource, named } = configEntryRight(entryKind, 'write')
  assertAllowed(bearer, resource, 'write', named ? name : undefined)
  if (command.kind === 'config.delete' || resource !== 'service') return
  for (const service of servicesReferredTo(command.body)) {
    if (service !== name) assertAllowed(bearer, 'service', 'read', service)
  }
}

/** Queries without a name are known by their id alone: who has it may. */
function checkQuery(query: PreparedQuery, bearer: Bearer): void {
  if (query.name === '' && !isTemplate(query)) return
  assertAllowed(bearer, 'query', 'write', query.name)
}

function nodeOf(state: Pick<StateReader, 'read' | 'acl'>, node: string): NodeDump | null {
  return state.read('catalog.node', { node }).value
}

function rejected(message: string): Error {
  return new FairleadError('REJECTED', message)
}
