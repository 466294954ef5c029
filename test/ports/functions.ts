/**
 * The function port: single functions of the cores, on data of anybody's own (verification 19.2).
 *
 *   npm run --silent port:functions
 *   {"op":"quorumCommit","incoming":["a","b","c"],"acks":{"a":5,"b":3}}
 *   {"op":"voteResult","incoming":["a","b","c"],"votes":{"a":true,"b":false}}
 *   {"op":"confApply","config":{"voters":["a"]},"change":"simple","changes":[{"op":"voter","id":"b"}]}
 *
 * Scalars come back as {"value": …}. `args` may hold the arguments of a formula by name or in order.
 */

import { AUTOPILOT_DEFAULTS } from '../../core/autopilot/defaults.ts'
import { promotions } from '../../core/autopilot/promotions.ts'
import { removals } from '../../core/autopilot/removals.ts'
import { autopilotState } from '../../core/autopilot/state.ts'
import type { AutopilotInput, AutopilotState } from '../../core/autopilot/types.ts'
import { decodeCommand, encodeCommand } from '../../core/catalog/codec.ts'
import { decodeJson, encodeJson } from '../../core/catalog/json-codec.ts'
import { toFairleadError } from '../../core/errors.ts'
import { decodeConfiguration, encodeConfiguration } from '../../core/raft/configuration.ts'
import { changeConfiguration } from '../../core/raft/configuration-change.ts'
import { quorumValue, quorumVote } from '../../core/raft/quorum.ts'
import { serverId } from '../../core/raft/types.ts'
import {
  pushPullIntervalMs,
  retransmitLimit,
  suspicionConfirmations,
  suspicionRemainingMs,
  suspicionTimeoutMs,
} from '../../core/swim/formulas.ts'
import { LamportClock } from '../../core/swim/lamport-clock.ts'
import { LocalHealth } from '../../core/swim/local-health.ts'
import {
  changeOf,
  configurationJson,
  configurationOf,
  validConfigurationOf,
} from './configuration-json.ts'
import {
  type JsonObject,
  listAt,
  named,
  objectAt,
  PortError,
  serveLines,
  textAt,
  textsAt,
} from './json-lines.ts'
import { vivaldiOf } from './vivaldi.ts'

type PortFunction = (fields: JsonObject) => unknown

const FUNCTIONS: Readonly<Record<string, PortFunction>> = {
  quorumCommit: (fields) => {
    const acks = objectAt(fields['acks'] ?? {}, '"acks"')
    const value = quorumValue(halvesOf(fields), (id) => Number(acks[id] ?? 0))
    // Nobody to wait for: infinity, for which JSON has no number.
    return { value: Number.isFinite(value) ? value : 'infinity' }
  },
  voteResult: (fields) => {
    const votes = Object.entries(objectAt(fields['votes'] ?? {}, '"votes"'))
    const counted = votes.map(([id, vote]) => [serverId(id), vote === true] as const)
    return { value: quorumVote(halvesOf(fields), new Map(counted)) }
  },
  confApply: (fields) => {
    const config = validConfigurationOf(objectAt(fields['config'], '"config"'))
    const kind = fields['change'] ?? fields['kind'] ?? fields['type']
    const result = changeConfiguration(config, changeOf({ ...fields, change: kind }))
    return result.kind === 'changed'
      ? { config: configurationJson(result.configuration) }
      : { error: result.detail }
  },
  autopilotState: (fields) => {
    const input = autopilotInputOf(fields)
    const state = autopilotState(input)
    return { state, promotions: promotions(state, input), removals: removals(state, input) }
  },
  suspicionTimeout: (fields) => {
    const [mult, members, interval] = numbers(fields, ['mult', 'members', 'intervalMs'])
    return { value: suspicionTimeoutMs(mult, members, interval) }
  },
  suspicionConfirm: (fields) => {
    const [mult, members] = numbers(fields, ['mult', 'members'])
    return { value: suspicionConfirmations(mult, members) }
  },
  suspicionRemaining: (fields) => {
    const [confirmed, k, elapsedMs, minMs, maxMs] = numbers(fields, [
      'confirmed',
      'k',
      'elapsedMs',
      'minMs',
      'maxMs',
    ])
    return { value: suspicionRemainingMs({ confirmed, k, elapsedMs, minMs, maxMs }) }
  },
  retransmitLimit: (fields) => {
    const [mult, members] = numbers(fields, ['mult', 'members'])
    return { value: retransmitLimit(mult, members) }
  },
  pushPullScale: (fields) => {
    const [intervalMs, members] = numbers(fields, ['intervalMs', 'members'])
    return { value: pushPullIntervalMs(intervalMs, members) }
  },
  /** {max, deltas[]} → the score after each change. */
  healthScore: (fields) => {
    const [max] = numbers(fields, ['max'])
    const health = new LocalHealth(max)
    const scores = listAt(argumentsOf(fields), 'deltas').map((delta) => {
      health.change(Number(delta))
      return health.score
    })
    return { value: health.score, scores }
  },
  /** {time, steps: ["increment" | witnessed time]} → the time after each step. */
  lamport: (fields) => {
    const args = argumentsOf(fields)
    const clock = new LamportClock(Number(args['time'] ?? 0))
    const times = listAt(args, 'steps').map((step) => {
      if (step === 'increment') clock.increment()
      else clock.witness(Number(step))
      return clock.time
    })
    return { value: clock.time, times }
  },
  vivaldi: (fields) => vivaldiOf(argumentsOf(fields)),
  /** {codec: command|json|configuration, value} or {codec, base64}: encoded, decoded, encoded again. */
  codec: (fields) => codecRoundTrip(fields),
}

function halvesOf(fields: JsonObject) {
  const half = (key: string): ReturnType<typeof serverId>[] => textsAt(fields, key).map(serverId)
  return { incoming: half('incoming'), outgoing: half('outgoing') }
}

function argumentsOf(fields: JsonObject): JsonObject {
  const { args } = fields
  return args === undefined || Array.isArray(args) ? fields : objectAt(args, '"args"')
}

/** By name, directly or in `args`, or in order in the list `args`. */
function numbers<const N extends readonly string[]>(
  fields: JsonObject,
  names: N,
): { -readonly [K in keyof N]: number } {
  const { args } = fields
  const list = Array.isArray(args) ? (args as unknown[]) : undefined
  const from = argumentsOf(fields)
  const values = names.map((name, i) => {
    const value = list === undefined ? from[name] : list[i]
    if (typeof value === 'number') return value
    throw new PortError(`"${name}" is a number`)
  })
  return values as { -readonly [K in keyof N]: number }
}

function autopilotInputOf(fields: JsonObject): AutopilotInput {
  const raft = objectAt(fields['raft'] ?? {}, '"raft"')
  const stats = Object.entries(objectAt(fields['stats'] ?? {}, '"stats"'))
  return {
    now: Number(fields['now'] ?? 0),
    runningSince: Number(fields['runningSince'] ?? 0),
    config: {
      ...AUTOPILOT_DEFAULTS,
      createIndex: 0,
      modifyIndex: 0,
      ...objectAt(fields['config'] ?? {}, '"config"'),
    } as AutopilotInput['config'],
    raft: {
      leaderId: String(raft['leaderId'] ?? fields['leaderId'] ?? ''),
      term: Number(raft['term'] ?? fields['term'] ?? 0),
      lastIndex: Number(raft['lastIndex'] ?? fields['lastIndex'] ?? 0),
      configuration: configurationOf(
        objectAt(fields['raftConfig'] ?? raft['configuration'] ?? {}, '"raftConfig"'),
      ),
    },
    known: listAt(fields, 'knownServers').map((item) => {
      const server = objectAt(item, 'a known server')
      return {
        name: '',
        address: '',
        status: 'alive',
        version: '',
        meta: {},
        ...server,
        id: textAt(server, 'id'),
      } as AutopilotInput['known'][number]
    }),
    stats: new Map(
      stats.map(([id, given]) => {
        const { lastContactMs = null, lastTerm = 0, lastIndex = 0 } = objectAt(given, 'stats')
        return [id, { lastContactMs, lastTerm, lastIndex } as ServerStatsJson]
      }),
    ),
    previous: (fields['previous'] as AutopilotState | undefined) ?? null,
  }
}

type ServerStatsJson = AutopilotInput['stats'] extends ReadonlyMap<string, infer S> ? S : never

const CODECS = {
  command: { encode: encodeCommand, decode: decodeCommand },
  json: { encode: encodeJson, decode: decodeJson },
  configuration: { encode: encodeConfiguration, decode: decodeConfiguration },
} as const

function codecRoundTrip(fields: JsonObject): unknown {
  const name = textAt(fields, 'codec')
  if (!Object.hasOwn(CODECS, name)) {
    throw new PortError(`"codec" is one of ${Object.keys(CODECS).join(', ')}`)
  }
  const { encode, decode } = CODECS[name as keyof typeof CODECS] as {
    encode: (value: unknown) => Uint8Array
    decode: (bytes: Uint8Array) => unknown
  }
  try {
    const first =
      typeof fields['base64'] === 'string'
        ? Buffer.from(fields['base64'], 'base64')
        : encode(decodeJson(Buffer.from(JSON.stringify(fields['value'] ?? null))))
    const value = decode(first)
    const again = encode(value)
    return {
      base64: Buffer.from(first).toString('base64'),
      value: JSON.parse(Buffer.from(encodeJson(value)).toString()) as unknown,
      isStable: Buffer.compare(again, first) === 0,
    }
  } catch (thrown) {
    throw new PortError(toFairleadError(thrown).message)
  }
}

await serveLines((request) => {
  const [name, fields] = named(request, Object.keys(FUNCTIONS))
  const run = FUNCTIONS[name]
  if (run === undefined) throw new PortError(`no function "${name}"`)
  return run(fields)
})
