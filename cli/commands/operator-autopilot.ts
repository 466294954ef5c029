/**
 * `fairlead operator autopilot`: get-config, set-config, state (cli.md section 10).
 */

import { formatPairs } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type Arguments, type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const CONFIG_PATH = '/v1/operator/autopilot/configuration'

interface ConfigAnswer {
  readonly CleanupDeadServers: boolean
  readonly LastContactThreshold: string
  readonly MaxTrailingLogs: number
  readonly MinQuorum: number
  readonly ServerStabilizationTime: string
  readonly RedundancyZoneTag: string
  readonly DisableUpgradeMigration: boolean
  readonly UpgradeVersionTag: string
  readonly ModifyIndex: number
}

export const getConfigCommand: CommandSpec = {
  summary: 'Show the settings of autopilot',
  usage: '',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get(CONFIG_PATH)
    if (isJson(args)) return printJson(context, answer.json())
    const config = answer.json() as ConfigAnswer
    const lines = [
      `CleanupDeadServers = ${config.CleanupDeadServers}`,
      `LastContactThreshold = ${config.LastContactThreshold}`,
      `MaxTrailingLogs = ${config.MaxTrailingLogs}`,
      `MinQuorum = ${config.MinQuorum}`,
      `ServerStabilizationTime = ${config.ServerStabilizationTime}`,
      `RedundancyZoneTag = ${JSON.stringify(config.RedundancyZoneTag)}`,
      `DisableUpgradeMigration = ${config.DisableUpgradeMigration}`,
      `UpgradeVersionTag = ${JSON.stringify(config.UpgradeVersionTag)}`,
    ]
    context.stdout(`${lines.join('\n')}\n`)
    return 0
  },
}

export const setConfigCommand: CommandSpec = {
  summary: 'Change settings of autopilot; those not named stay',
  usage: '',
  flags: [
    toggle('cleanup-dead-servers', 'remove failed servers when new ones join'),
    flag(
      'last-contact-threshold',
      'duration',
      'a server is unhealthy after so long without the leader',
    ),
    flag('max-trailing-logs', 'count', 'a server is unhealthy so many entries behind'),
    flag('min-quorum', 'count', 'never fewer servers than this by removal'),
    flag('server-stabilization-time', 'duration', 'how long a new server must be healthy to vote'),
    flag('redundancy-zone-tag', 'tag', 'accepted and kept, without effect'),
    toggle('disable-upgrade-migration', 'accepted and kept, without effect'),
    flag('upgrade-version-tag', 'tag', 'accepted and kept, without effect'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const changes = changesIn(args)
    const client = new ApiClient(args, context)
    const present = (await client.get(CONFIG_PATH)).json() as ConfigAnswer
    const answer = await client.put(CONFIG_PATH, {
      query: { cas: String(present.ModifyIndex) },
      body: JSON.stringify({ ...present, ...changes }),
    })
    if (answer.json() !== true) {
      context.stderr('Configuration could not be atomically updated, please try again\n')
      return 1
    }
    context.stdout('Configuration updated!\n')
    return 0
  },
}

function changesIn(args: Arguments): Record<string, unknown> {
  const changes: Record<string, unknown> = {}
  const take = (
    name: string,
    field: string,
    read: (text: string, name: string) => unknown,
  ): void => {
    const text = args.text(name)
    if (text !== undefined) changes[field] = read(text, name)
  }
  const asIs = (text: string): string => text
  for (const [name, field] of [
    ['cleanup-dead-servers', 'CleanupDeadServers'],
    ['disable-upgrade-migration', 'DisableUpgradeMigration'],
  ] as const) {
    if (args.has(name)) changes[field] = args.bool(name)
  }
  take('last-contact-threshold', 'LastContactThreshold', asIs)
  take('max-trailing-logs', 'MaxTrailingLogs', countOf)
  take('min-quorum', 'MinQuorum', countOf)
  take('server-stabilization-time', 'ServerStabilizationTime', asIs)
  take('redundancy-zone-tag', 'RedundancyZoneTag', asIs)
  take('upgrade-version-tag', 'UpgradeVersionTag', asIs)
  return changes
}

function countOf(text: string, name: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`-${name} takes a number, got "${text}"`)
}

interface StateAnswer {
  readonly Healthy: boolean
  readonly FailureTolerance: number
  readonly OptimisticFailureTolerance: number
  readonly Leader: string
  readonly Voters: readonly string[]
  readonly Servers: Readonly<Record<string, StateServer>>
}

interface StateServer {
  readonly Name: string
  readonly Address: string
  readonly Version: string
  readonly Status: string
  readonly NodeType: string
  readonly NodeStatus: string
  readonly Healthy: boolean
  readonly LastContact: string
  readonly LastTerm: number
  readonly LastIndex: number
}

export const stateCommand: CommandSpec = {
  summary: 'Show what autopilot knows of the servers',
  usage: '',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/operator/autopilot/state')
    if (isJson(args)) return printJson(context, answer.json())
    context.stdout(stateText(answer.json() as StateAnswer))
    return 0
  },
}

function stateText(state: StateAnswer): string {
  const head = formatPairs([
    ['Healthy:', String(state.Healthy)],
    ['Failure Tolerance:', String(state.FailureTolerance)],
    ['Optimistic Failure Tolerance:', String(state.OptimisticFailureTolerance)],
    ['Leader:', state.Leader],
  ])
  const voters = state.Voters.map((id) => `   ${id}\n`).join('')
  const servers = Object.entries(state.Servers).map(([id, server]) => {
    const facts = formatPairs([
      ['Name:', server.Name],
      ['Address:', server.Address],
      ['Version:', server.Version],
      ['Status:', server.Status],
      ['Node Type:', server.NodeType],
      ['Node Status:', server.NodeStatus],
      ['Healthy:', String(server.Healthy)],
      ['Last Contact:', server.LastContact],
      ['Last Term:', String(server.LastTerm)],
      ['Last Index:', String(server.LastIndex)],
    ])
    return `   ${id}\n${facts.replace(/^/gm, '      ').trimEnd()}\n`
  })
  return `${head}Voters:\n${voters}Servers:\n${servers.join('')}`
}
