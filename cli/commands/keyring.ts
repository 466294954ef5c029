/**
 * `fairlead keyring`: shows and changes the keys of gossip on all members (cli.md section 12).
 */

import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type Arguments, type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const PATH = '/v1/operator/keyring'

interface PoolAnswer {
  readonly WAN: boolean
  readonly Datacenter: string
  readonly Segment: string
  readonly Messages?: Readonly<Record<string, string>>
  readonly Keys: Readonly<Record<string, number>>
  readonly PrimaryKeys: Readonly<Record<string, number>>
  readonly NumNodes: number
  readonly Error?: string
}

const CHANGES = [
  ['install', 'POST', 'Installing new gossip encryption key...'],
  ['use', 'PUT', 'Changing primary gossip encryption key...'],
  ['remove', 'DELETE', 'Removing gossip encryption key...'],
] as const

export const keyringCommand: CommandSpec = {
  summary: 'Show and change the keys of gossip on all members',
  usage: '',
  flags: [
    flag('install', 'key', 'give a key to all members; nothing is sealed with it yet'),
    flag('use', 'key', 'seal with this key from now on; all members must have it'),
    flag('remove', 'key', 'take a key away that is not in use'),
    toggle('list', 'list the keys, and how many members have each'),
    toggle('list-primary', 'list the keys that members seal with'),
    flag('relay-factor', '0..5', 'ask a member that does not answer by way of so many others'),
    formatFlag,
    toggle('local-only', 'with -list: this datacenter only, which is all there is'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const asked = CHANGES.filter(([name]) => args.has(name))
    const lists = ['list', 'list-primary'].filter((name) => args.bool(name))
    if (asked.length + lists.length > 1) throw new UsageError('Only a single action is allowed')
    const client = new ApiClient(args, context)
    const query = queryOf(args)
    const [change] = asked
    if (change !== undefined) {
      const [name, method, text] = change
      context.stdout(`==> ${text}\n`)
      const body = JSON.stringify({ Key: args.text(name) })
      await client.send(PATH, { method, query, body })
      return 0
    }
    const [list] = lists
    if (list === undefined) {
      throw new UsageError('One of -install, -use, -remove, -list and -list-primary is needed')
    }
    const wantsJson = isJson(args)
    if (!wantsJson) context.stdout('==> Gathering installed encryption keys...\n')
    const pools = (await client.get(PATH, { query })).json() as readonly PoolAnswer[]
    if (wantsJson) printJson(context, pools)
    else context.stdout(pools.map((pool) => poolText(pool, list === 'list-primary')).join('\n'))
    for (const { Messages = {} } of pools) {
      for (const [node, message] of Object.entries(Messages)) {
        context.stderr(`Error from ${node}: ${message}\n`)
      }
    }
    return pools.some((pool) => pool.Error !== undefined) ? 1 : 0
  },
}

function queryOf(args: Arguments): Record<string, string | undefined> {
  return {
    'relay-factor': args.text('relay-factor'),
    'local-only': args.bool('local-only') ? 'true' : undefined,
  }
}

function poolText(pool: PoolAnswer, primaryOnly: boolean): string {
  const title = pool.WAN ? 'WAN' : `${pool.Datacenter} (LAN)`
  const keys = primaryOnly ? pool.PrimaryKeys : pool.Keys
  const lines = Object.entries(keys).map(([key, count]) => `  ${key} [${count}/${pool.NumNodes}]\n`)
  return `${title}:\n${lines.join('')}`
}
