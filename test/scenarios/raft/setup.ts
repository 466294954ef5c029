/**
 * What the words of a scenario mean: configurations, logs, options, changes.
 */

import { chainedEntry } from '../../../core/raft/chain.ts'
import {
  type Configuration,
  type ConfigurationChange,
  compareIds,
  encodeConfiguration,
  type MemberChange,
} from '../../../core/raft/configuration.ts'
import type { Entry, PersistedState } from '../../../core/raft/types.ts'
import { logIndex, serverId, term } from '../../../core/raft/types.ts'
import { ORIGIN, type ScenarioOptions } from './scenario-server.ts'

export function parseChange(args: readonly string[]): ConfigurationChange {
  const [kind = '', ...rest] = args
  if (kind === 'leave') return { kind: 'leave-joint' }
  if (kind === 'joint') {
    const changes = rest.filter((a) => a !== 'auto').map((a) => memberChange(...pair(a, ':')))
    return { kind: 'enter-joint', changes, autoLeave: rest.includes('auto') }
  }
  const change = memberChange(
    kind,
    rest[0] ?? '',
    rest.find((a) => a.includes(':')),
  )
  return { kind: 'simple', change, force: rest.includes('force') }
}

function memberChange(kind: string, name: string, where?: string): MemberChange {
  const id = serverId(name)
  const address = where ?? `${name}:1`
  switch (kind) {
    case 'voter':
    case 'learner':
    case 'address':
      return { kind, id, address }
    case 'remove':
      return { kind, id }
    default:
      throw new Error(`no change "${kind}"`)
  }
}

export function configurationOf(
  voters: readonly string[],
  learners: readonly string[],
  outgoing: readonly string[],
): Configuration {
  const sorted = (ids: readonly string[]) => ids.map(serverId).sort(compareIds)
  const members = sorted([...new Set([...voters, ...learners, ...outgoing])])
  return {
    incoming: sorted(voters),
    outgoing: sorted(outgoing),
    learners: sorted(learners),
    learnersNext: [],
    autoLeave: false,
    addresses: members.map((id) => ({ id, address: `${id}:1` })),
  }
}

/** The first entry is the configuration, the others are commands that say where they stand. */
export function logOf(configuration: Configuration, terms: readonly number[]): Entry[] {
  let last = ORIGIN
  return terms.map((t, i) => {
    const entry = chainedEntry(last.chain, {
      index: logIndex(i + 1),
      term: term(t),
      type: i === 0 ? 'config' : 'normal',
      data: i === 0 ? encodeConfiguration(configuration) : Buffer.from(`old${i + 1}.${t}`),
    })
    last = entry
    return entry
  })
}

export function persisted(
  entries: readonly Entry[],
  hard: { readonly term?: number; readonly commit?: number },
): PersistedState {
  return {
    hardState: {
      term: term(hard.term ?? entries.at(-1)?.term ?? 0),
      vote: null,
      commit: logIndex(hard.commit ?? 0),
    },
    snapshot: null,
    anchor: ORIGIN,
    entries,
    damagedTo: null,
  }
}

export function optionsOf(settings: ReadonlyMap<string, string>): ScenarioOptions {
  const extra: Record<string, number> = {}
  for (const [key, value] of settings) {
    if (/(Max|Ticks)$/.test(key)) extra[key] = Number(value)
  }
  return {
    electionTicks: Number(settings.get('election') ?? 10),
    heartbeatTicks: Number(settings.get('heartbeat') ?? 1),
    ...extra,
  }
}

export function numberOf(
  settings: ReadonlyMap<string, string>,
  key: string,
  as: string,
): Record<string, number> {
  const value = settings.get(key)
  return value === undefined ? {} : { [as]: Number(value) }
}

export function pair(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return [text.slice(0, at), text.slice(at + 1)]
}
