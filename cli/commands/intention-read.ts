/**
 * `fairlead intention check | get | list | match` (cli.md section 8).
 *
 * `check` answers by exit code: 0 allowed, 1 denied, 2 could not be found out.
 */

import { toFairleadError } from '../../core/errors.ts'
import { formatPairs, formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, toggle, UsageError } from '../command.ts'
import { type IntentionAnswer, intentionLine, readIntention } from '../intentions.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'
import { localTime } from '../local-time.ts'

const EXIT_UNKNOWN = 2
const EXIT_NONE = 2

export const intentionCheckCommand: CommandSpec = {
  summary: 'Would a call be allowed? Exit code 0: yes, 1: no, 2: unknown',
  usage: 'SRC DST',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const [source, destination] = args.positionals
    if (source === undefined || destination === undefined) {
      context.stderr('Error: command requires exactly two arguments: src and dst\n')
      return EXIT_UNKNOWN
    }
    try {
      const client = new ApiClient(args, context)
      const answer = await client.get('/v1/connect/intentions/check', {
        query: { source, destination },
      })
      const { Allowed } = answer.json() as { Allowed: boolean }
      context.stdout(Allowed ? 'Allowed\n' : 'Denied\n')
      return Allowed ? 0 : 1
    } catch (thrown) {
      context.stderr(`Error checking the connection: ${toFairleadError(thrown).message}\n`)
      return EXIT_UNKNOWN
    }
  },
}

export const intentionMatchCommand: CommandSpec = {
  summary: 'List the intentions that match a service, the deciding one first',
  usage: 'NAME',
  flags: [
    toggle('source', 'NAME calls'),
    toggle('destination', 'NAME is called (default)'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [name] = args.positionals
    if (name === undefined)
      throw new UsageError('Error: command requires exactly one argument: src or dst')
    if (args.bool('source') && args.bool('destination')) {
      throw new UsageError('Error: only one of -source and -destination can be specified')
    }
    const wantsJson = isJson(args)
    const by = args.bool('source') ? 'source' : 'destination'
    const answer = await new ApiClient(args, context).get('/v1/connect/intentions/match', {
      query: { by, name },
    })
    const matches = answer.json() as Readonly<Record<string, readonly IntentionAnswer[]>>
    if (wantsJson) return printJson(context, matches[name] ?? [])
    for (const intention of matches[name] ?? []) context.stdout(`${intentionLine(intention)}\n`)
    return 0
  },
}

export const intentionGetCommand: CommandSpec = {
  summary: 'Show an intention',
  usage: 'SRC DST | ID',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const intention = await readIntention(new ApiClient(args, context), args.positionals)
    if (wantsJson) return printJson(context, intention)
    const optional = [
      ['Action', intention.Action],
      ['ID', intention.ID],
      ['Description', intention.Description],
    ].flatMap(([name = '', value]) => (value ? [[name, value] as const] : []))
    const meta = Object.entries(intention.Meta ?? {})
      .sort()
      .map(([name, value]) => [`Meta[${name}]`, value] as const)
    context.stdout(
      formatPairs(
        [
          ['Source', intention.SourceName],
          ['Destination', intention.DestinationName],
          ...optional,
          ...meta,
          ['Created At', localTime(intention.CreatedAt)],
        ],
        ':',
      ),
    )
    const permissions = intention.Permissions ?? []
    if (permissions.length > 0) {
      context.stdout(`Permissions:\n${JSON.stringify(permissions, undefined, '  ')}\n`)
    }
    return 0
  },
}

export const intentionListCommand: CommandSpec = {
  summary: 'List all intentions; exit code 2 when there are none',
  usage: '',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get('/v1/connect/intentions')
    const intentions = (answer.json() ?? []) as readonly IntentionAnswer[]
    if (wantsJson) printJson(context, intentions)
    if (intentions.length === 0) {
      context.stderr('There are no intentions.\n')
      return EXIT_NONE
    }
    if (wantsJson) return 0
    const rows = intentions.map((intention) => [
      intention.ID ?? '',
      intention.SourceName,
      intention.Action ?? '',
      intention.DestinationName,
      String(intention.Precedence),
    ])
    context.stdout(formatTable([['ID', 'Source', 'Action', 'Destination', 'Precedence'], ...rows]))
    return 0
  },
}
