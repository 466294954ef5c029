/**
 * What a registration must say, whatever the state: the texts of http-api.md 11.1 and mesh.md 2. Pure.
 *
 * Apply checks every registration by these rules, and a border may do so earlier with the same texts.
 * Keys of node metadata that begin with `consul-` are allowed here: agents write them; the agent's own
 * configuration refuses them to users.
 * Bounds: META_PAIRS_MAX, META_KEY_LENGTH_MAX, META_VALUE_LENGTH_MAX, WEIGHT_MAX.
 */

import type { RegisterRequest } from './commands.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import type {
  CheckDefinition,
  ProxyConfig,
  ServiceDefinition,
  StringMap,
  Weights,
} from './types.ts'

export const META_PAIRS_MAX = 64
export const META_KEY_LENGTH_MAX = 128
export const META_VALUE_LENGTH_MAX = 512
const WEIGHT_MAX = 65_535

const META_KEY = /^[A-Za-z0-9_-]+$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const UUID_LENGTH = 36
const ANY_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]'])
const PROXY_KINDS_WITH_PORT: ReadonlySet<string> = new Set(['mesh-gateway', 'terminating-gateway'])

/** @returns the first problem, or undefined */
export function registrationProblem(request: RegisterRequest): string | undefined {
  return (
    nodeProblem(request, request.skipNodeUpdate) ??
    (request.service === undefined ? undefined : serviceProblem(request.service)) ??
    firstProblem(request.checks, checkProblem)
  )
}

export function nodeProblem(
  node: Pick<RegisterRequest, 'id' | 'node' | 'address' | 'meta'>,
  mayLackAddress: boolean,
): string | undefined {
  if (node.node === '') return 'Must provide node'
  if (node.address === '' && !mayLackAddress) {
    return 'Must provide address if SkipNodeUpdate is not set'
  }
  if (node.id !== '' && node.id.length !== UUID_LENGTH) {
    return 'Bad node ID: uuid string is wrong length'
  }
  if (node.id !== '' && !UUID.test(node.id)) return 'Bad node ID: uuid is improperly formatted'
  return nulProblem('node name', node.node) ?? metaProblem('Node', node.meta)
}

/** The id may be empty: it then is the name. */
export function serviceProblem(service: ServiceDefinition): string | undefined {
  if (service.service === '') {
    return service.id === ''
      ? 'Must provide service name (Service.Service)'
      : 'Must provide service name (Service.Service) when service ID is provided'
  }
  if (ANY_ADDRESSES.has(service.address)) return 'Invalid service address'
  return (
    nulProblem('service name', service.service) ??
    nulProblem('service ID', service.id) ??
    weightProblem(service.weights) ??
    metaProblem('Service', service.meta) ??
    connectProblem(service)
  )
}

export function checkProblem(check: CheckDefinition): string | undefined {
  if (check.checkId === '' && check.name === '') return 'Must provide check ID or name'
  return nulProblem('check ID', check.checkId) ?? nulProblem('check name', check.name)
}

function connectProblem(service: ServiceDefinition): string | undefined {
  const hasNoListener = service.port === 0 && service.socketPath === ''
  if (service.connectNative && service.kind !== '') {
    return 'A Proxy cannot also be Connect Native, only typical services'
  }
  if (service.connectNative && hasNoListener) {
    return 'Port or SocketPath must be set for a Connect native service.'
  }
  if (service.kind === 'connect-proxy') {
    if (hasNoListener) return 'Port or SocketPath must be set for a connect-proxy'
    return proxyProblem(service.proxy)
  }
  if (PROXY_KINDS_WITH_PORT.has(service.kind) && service.port === 0) {
    return `Port must be non-zero for a ${service.kind}`
  }
  return undefined
}

function proxyProblem(proxy: ProxyConfig | undefined): string | undefined {
  const name = proxy?.destinationServiceName ?? ''
  if (name === '') {
    return 'Proxy.DestinationServiceName must be non-empty for Connect proxy services'
  }
  if (name === '*') {
    return 'Proxy.DestinationServiceName must not be a wildcard for Connect proxy services'
  }
  return nulProblem('Proxy.DestinationServiceName', name)
}

function weightProblem(weights: Weights): string | undefined {
  if (weights.passing < 1) return 'Invalid Weights: Passing must be greater than 0'
  if (weights.warning < 0) return 'Invalid Weights: Warning must be greater or equal than 0'
  if (weights.passing > WEIGHT_MAX || weights.warning > WEIGHT_MAX) {
    return `Invalid Weights: the maximum is ${WEIGHT_MAX}`
  }
  return undefined
}

function metaProblem(what: 'Node' | 'Service', meta: StringMap | null): string | undefined {
  if (meta === null) return undefined
  const pairs = Object.entries(meta)
  if (pairs.length > META_PAIRS_MAX) {
    return `${what} metadata cannot contain more than ${META_PAIRS_MAX} key/value pairs`
  }
  return firstProblem(pairs, ([key, value]) => {
    const problem = pairProblem(key, value)
    return problem === undefined
      ? undefined
      : `Couldn't load metadata pair ('${key}', '${value}'): ${problem}`
  })
}

function pairProblem(key: string, value: string): string | undefined {
  if (key === '') return 'Key cannot be blank'
  if (!META_KEY.test(key)) return 'Key contains invalid characters'
  if (key.length > META_KEY_LENGTH_MAX) {
    return `Key is too long (limit: ${META_KEY_LENGTH_MAX} characters)`
  }
  if (value.length > META_VALUE_LENGTH_MAX) {
    return `Value is too long (limit: ${META_VALUE_LENGTH_MAX} characters)`
  }
  return undefined
}

function nulProblem(what: string, text: string): string | undefined {
  return text.includes(KEY_SEPARATOR) ? `Invalid ${what}: it contains a NUL character` : undefined
}

function firstProblem<T>(
  items: readonly T[],
  problemOf: (item: T) => string | undefined,
): string | undefined {
  for (const item of items) {
    const problem = problemOf(item)
    if (problem !== undefined) return problem
  }
  return undefined
}
