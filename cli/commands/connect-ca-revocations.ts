/**
 * `fairlead connect ca revoke | revocations | reinstate`, fairlead's own (docs/decisions/0036).
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const PATH = '/v1/connect/ca/revocations'

interface Revocation {
  readonly ID: string
  readonly Reason: string
  readonly RevokedAt: string
}

export const caRevokeCommand: CommandSpec = {
  summary: 'Refuse a certificate, or all of an identity, and cut its open connections',
  usage: '',
  flags: [
    flag('service', 'name', 'all certificates of this service; none is signed until reinstated'),
    flag('identity', 'uri', 'all certificates of this SPIFFE ID; none is signed until reinstated'),
    flag('serial', 'number', 'one certificate, as in 3c:4f:01; its owner gets another'),
    flag('reason', 'text', 'shown in the list'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const given = {
      Service: args.text('service'),
      Identity: args.text('identity'),
      SerialNumber: args.text('serial'),
    }
    const body = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    )
    if (Object.keys(body).length !== 1) {
      throw new UsageError('Exactly one of -service, -identity and -serial must be given')
    }
    const answer = await new ApiClient(args, context).put(PATH, {
      body: JSON.stringify({ ...body, Reason: args.text('reason') ?? '' }),
    })
    context.stdout(`Revoked: ${(answer.json() as { readonly ID: string }).ID}\n`)
    return 0
  },
}

export const caRevocationsCommand: CommandSpec = {
  summary: 'List what is revoked',
  usage: '',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get(PATH)
    const found = answer.json() as readonly Revocation[]
    if (wantsJson) return printJson(context, found)
    if (found.length === 0) {
      context.stdout('Nothing is revoked\n')
      return 0
    }
    const rows = found.map(({ ID, RevokedAt, Reason }) => [ID, RevokedAt, Reason])
    context.stdout(formatTable([['ID', 'Revoked', 'Reason'], ...rows]))
    return 0
  },
}

export const caReinstateCommand: CommandSpec = {
  summary: 'Take a revocation back',
  usage: 'ID',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const [id] = args.positionals
    if (id === undefined) throw new UsageError('The ID of a revocation is required')
    const path = `${PATH}/${encodeURIComponent(id)}`
    await new ApiClient(args, context).send(path, { method: 'DELETE' })
    context.stdout(`Reinstated: ${id}\n`)
    return 0
  },
}
