/**
 * Would a change of one config entry leave a chain that does not compile? (mesh.md 7.15, 9; issue: nothing is
 * stored that breaks the graph.)
 *
 * Looks at every chain that the entry is part of: its own service's, and those that lead to it. A chain that was
 * broken before is no reason to refuse, else nobody could mend it in steps.
 * Cost: one pass over the routers, splitters and resolvers, then a compilation for each chain concerned.
 */

import { compileChain, NO_OVERRIDES } from './compile.ts'
import { CHAIN_KINDS, type ChainEntries, type ChainEntryKind, referencesOf } from './entries.ts'
import { type ChainProblem, isProblem } from './types.ts'

export interface ChainGraph extends ChainEntries {
  /** Names of all entries of a kind. */
  names(kind: ChainEntryKind): Iterable<string>
}

/** The kinds from which graphs are made. */
const GRAPH_KINDS = ['service-router', 'service-splitter', 'service-resolver'] as const
const KINDS: ReadonlySet<string> = new Set(CHAIN_KINDS)

/** Names do not matter to whether a chain compiles. */
const ANY_TRUST_DOMAIN = 'trust.invalid'

export function isChainKind(kind: string): kind is ChainEntryKind {
  return KINDS.has(kind)
}

/**
 * @param changed the entry written or deleted
 * @returns the first problem of a chain that compiled before
 */
export function brokenByChange(
  changed: { readonly kind: ChainEntryKind; readonly name: string },
  graphs: { readonly before: ChainGraph; readonly after: ChainGraph; readonly datacenter: string },
): ChainProblem | undefined {
  const { before, after, datacenter } = graphs
  for (const service of concerned(changed, after)) {
    const problem = problemOf(service, after, datacenter)
    if (problem === undefined) continue
    if (problemOf(service, before, datacenter) === undefined) return problem
  }
  return undefined
}

function problemOf(
  serviceName: string,
  entries: ChainEntries,
  datacenter: string,
): ChainProblem | undefined {
  const chain = compileChain(
    {
      serviceName,
      datacenter,
      trustDomain: ANY_TRUST_DOMAIN,
      overrides: NO_OVERRIDES,
      layer7OnLayer4: 'refused',
    },
    entries,
  )
  return isProblem(chain) ? chain : undefined
}

/** Services whose chains the entry is part of, in order. */
function concerned(
  { kind, name }: { readonly kind: ChainEntryKind; readonly name: string },
  graph: ChainGraph,
): readonly string[] {
  const named = new Set(GRAPH_KINDS.flatMap((graphKind) => [...graph.names(graphKind)]))
  if (kind === 'proxy-defaults') return [...named].sort()
  const callers = new Map<string, string[]>()
  for (const service of named) {
    for (const target of referencesOf(graph, service)) {
      const list = callers.get(target)
      if (list === undefined) callers.set(target, [service])
      else list.push(service)
    }
  }
  const found = new Set([name])
  const open = [name]
  for (let service = open.pop(); service !== undefined; service = open.pop()) {
    for (const caller of callers.get(service) ?? []) {
      if (found.has(caller)) continue
      found.add(caller)
      open.push(caller)
    }
  }
  return [...found].sort()
}
