/**
 * The rules of every kind of config entry, beyond the spelling of its fields (mesh.md 7). Pure.
 *
 * Guarantees: the first broken rule, in the reference's words where it has some. How entries fit together is
 * judged when they are applied (core/chain/graph-check.ts). Bounds: NAME_LENGTH_MAX, and META_* of
 * intentions/validate.ts.
 */

import { goQuote } from '../catalog/go-quote.ts'
import type { JsonObject } from '../catalog/types.ts'
import { metaProblem } from '../intentions/validate.ts'
import { apiGatewayProblem, httpRouteProblem, tcpRouteProblem } from './api-gateway.ts'
import { exportedServicesProblem } from './exported-services.ts'
import { ingressGatewayProblem } from './ingress-gateway.ts'
import { jwtProviderProblem } from './jwt-provider.ts'
import { meshProblem } from './mesh.ts'
import { proxyDefaultsProblem } from './proxy-defaults.ts'
import { textsAt } from './read-field.ts'
import { serviceDefaultsProblem } from './service-defaults.ts'
import { serviceResolverProblem } from './service-resolver.ts'
import { serviceRouterProblem } from './service-router.ts'
import { serviceSplitterProblem } from './service-splitter.ts'
import { terminatingGatewayProblem } from './terminating-gateway.ts'

export const NAME_LENGTH_MAX = 512

/** Kinds with one entry, and its name. */
export const SINGLE_NAMES: ReadonlyMap<string, string> = new Map([
  ['proxy-defaults', 'global'],
  ['mesh', 'mesh'],
  ['exported-services', 'default'],
])

export interface ConfigEntryDraft {
  readonly entryKind: string
  readonly name: string
  /** In printed spelling, without kind, name and indexes. */
  readonly body: JsonObject
}

const BODY_RULES: ReadonlyMap<string, (entry: ConfigEntryDraft) => string | undefined> = new Map(
  Object.entries({
    'service-defaults': ({ body }) => serviceDefaultsProblem(body),
    'proxy-defaults': ({ body }) => proxyDefaultsProblem(body),
    'service-router': ({ body }) => serviceRouterProblem(body),
    'service-splitter': ({ name, body }) => serviceSplitterProblem(name, body),
    'service-resolver': ({ name, body }) => serviceResolverProblem(name, body),
    mesh: ({ body }) => meshProblem(body),
    'exported-services': ({ body }) => exportedServicesProblem(body),
    'ingress-gateway': ({ body }) => ingressGatewayProblem(body),
    'terminating-gateway': ({ body }) => terminatingGatewayProblem(body),
    'api-gateway': ({ body }) => apiGatewayProblem(body),
    'http-route': ({ body }) => httpRouteProblem(body),
    'tcp-route': ({ body }) => tcpRouteProblem(body),
    'jwt-provider': ({ body }) => jwtProviderProblem(body),
  } satisfies Record<string, (entry: ConfigEntryDraft) => string | undefined>),
)

export function configEntryProblem(entry: ConfigEntryDraft): string | undefined {
  return (
    nameProblem(entry.entryKind, entry.name) ??
    metaProblem(textsAt(entry.body, 'Meta')) ??
    BODY_RULES.get(entry.entryKind)?.(entry)
  )
}

function nameProblem(kind: string, name: string): string | undefined {
  const single = SINGLE_NAMES.get(kind)
  if (single !== undefined && name !== single) {
    return `invalid name (${goQuote(name)}), only ${goQuote(single)} is supported`
  }
  if (name === '') return 'Name is required'
  if (name.length > NAME_LENGTH_MAX) return `Name exceeds maximum length ${NAME_LENGTH_MAX}`
  if (kind.startsWith('service-') && kind !== 'service-intentions' && name === '*') {
    return `${kind} name must be the name of a service, and not a wildcard`
  }
  return undefined
}
