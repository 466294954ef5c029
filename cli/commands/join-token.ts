/**
 * `fairlead join-token create | list | delete`, fairlead's own (docs/decisions/0042).
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface JoinToken {
  readonly ID: string
  readonly Role: string
  readonly Node: string
  readonly Description: string
  readonly UsesLeft: number
  readonly ExpiresAt: string
}

export const joinTokenCreateCommand: CommandSpec = {
  summary: 'Make a token by which new hosts join',
  usage: '',
  flags: [
    toggle('server', 'for servers: who has it gets the key of the authority'),
    flag('node', 'name', 'for this node alone, also one that is in the cluster already'),
    flag('uses', 'count', 'how many hosts may join by it (default: 1)'),
    flag('ttl', 'duration', 'how long it is good, 1m to 168h (default: 1h)'),
    flag('description', 'text', 'shown in the list'),
    formatFlag,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const uses = Number(args.text('uses') ?? 1)
    if (!Number.isInteger(uses)) throw new UsageError('-uses must be a whole number')
    const answer = await new ApiClient(args, context).put('/v1/operator/join-token', {
      body: JSON.stringify({
        Role: args.bool('server') ? 'server' : 'client',
        Node: args.text('node') ?? '',
        Uses: uses,
        TTL: args.text('ttl') ?? '',
        Description: args.text('description') ?? '',
      }),
    })
    const made = answer.json() as JoinToken & { readonly Token: string }
    if (wantsJson) return printJson(context, made)
    context.stderr(
      `For ${made.UsesLeft} ${made.UsesLeft === 1 ? made.Role : `${made.Role}s`}, until ${made.ExpiresAt}. It is shown once.\n`,
    )
    context.stdout(`fairlead join ${made.Token}\n`)
    return 0
  },
}

export const joinTokenListCommand: CommandSpec = {
  summary: 'List join tokens that can still be used',
  usage: '',
  flags: [formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get('/v1/operator/join-tokens')
    const found = answer.json() as readonly JoinToken[]
    if (wantsJson) return printJson(context, found)
    if (found.length === 0) {
      context.stdout('There are no join tokens\n')
      return 0
    }
    const rows = found.map((token) => [
      token.ID,
      token.Role,
      token.Node === '' ? 'any' : token.Node,
      String(token.UsesLeft),
      token.ExpiresAt,
      token.Description,
    ])
    context.stdout(formatTable([['ID', 'For', 'Node', 'Uses', 'Until', 'Description'], ...rows]))
    return 0
  },
}

export const joinTokenDeleteCommand: CommandSpec = {
  summary: 'Delete a join token',
  usage: 'ID',
  flags: API_FLAGS,
  run: async (args, context) => {
    const [id] = args.positionals
    if (id === undefined) throw new UsageError('The ID of a join token is required')
    const path = `/v1/operator/join-token/${encodeURIComponent(id)}`
    await new ApiClient(args, context).send(path, { method: 'DELETE' })
    context.stdout(`Deleted: ${id}\n`)
    return 0
  },
}
