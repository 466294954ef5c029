/**
 * `fairlead acl bootstrap`, `acl token …`, `acl set-agent-token`, `login` and `logout` (cli.md section 9).
 */

import { toFairleadError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../runtime/host/atomic-file.ts'
import {
  GRANT_FLAGS,
  grantsFromFlags,
  merged,
  mergedLinks,
  ROLE_FLAGS,
  rolesFromFlags,
} from '../acl/grant-flags.ts'
import { accessorOf, required, type TokenAnswer } from '../acl/objects.ts'
import { metaFlag, prettyToken } from '../acl/pretty.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  listFlag,
  toggle,
  UsageError,
} from '../command.ts'
import { readText } from '../input.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const COMMON = [metaFlag, formatFlag, ...SERVER_FLAGS, ...API_FLAGS]
const accessorFlag = flag('accessor-id', 'id', 'the token; may be cut to its beginning')
const descriptionFlag = flag('description', 'text', 'what it is for')

export const aclBootstrapCommand: CommandSpec = {
  summary: 'Make the first token, with all rights',
  usage: '[SECRET_FILE|-]',
  flags: COMMON,
  run: async (args, context) => {
    const [file] = args.positionals
    const secret = file === undefined ? '' : (await readText(file, context)).trim()
    const body = secret === '' ? {} : { body: JSON.stringify({ BootstrapSecret: secret }) }
    try {
      const answer = await new ApiClient(args, context).put('/v1/acl/bootstrap', body)
      return printToken(args, context, answer.json() as TokenAnswer)
    } catch (thrown) {
      context.stderr(`Failed ACL bootstrapping: ${toFairleadError(thrown).message}\n`)
      return 1
    }
  },
}

export const tokenCreateCommand: CommandSpec = {
  summary: 'Make a token; its secret is printed once',
  usage: '',
  flags: [
    flag('accessor', 'uuid', 'its accessor; made when not given'),
    flag('secret', 'uuid', 'its secret; made when not given'),
    descriptionFlag,
    ...GRANT_FLAGS,
    ...ROLE_FLAGS,
    flag('expires-ttl', 'duration', 'how long it is good for, for instance 2h'),
    toggle('local', 'for this datacenter alone'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const ttl = args.text('expires-ttl') ?? ''
    const body = {
      AccessorID: args.text('accessor') ?? '',
      SecretID: args.text('secret') ?? '',
      Description: args.text('description') ?? '',
      ...(await grantsFromFlags(args, { client, context })),
      Roles: await rolesFromFlags(client, args),
      Local: args.bool('local'),
      ...(ttl === '' ? {} : { ExpirationTTL: ttl }),
    }
    const answer = await client.put('/v1/acl/token', { body: JSON.stringify(body) })
    return printToken(args, context, answer.json() as TokenAnswer)
  },
}

export const tokenReadCommand: CommandSpec = {
  summary: 'Show a token',
  usage: '',
  flags: [
    accessorFlag,
    toggle('self', 'the token with which is asked'),
    toggle('expanded', 'with what its policies and roles say'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    if (args.bool('self')) {
      const answer = await client.get('/v1/acl/token/self')
      return printToken(args, context, answer.json() as TokenAnswer)
    }
    const accessor = await accessorOf(client, args)
    const isExpanded = args.bool('expanded')
    const query = isExpanded ? { query: { expanded: 'true' } } : {}
    const answer = (await client.get(`/v1/acl/token/${accessor}`, query)).json()
    // What the policies say is for programs.
    if (isExpanded && !isJson(args)) return printJson(context, answer)
    return printToken(args, context, answer as TokenAnswer)
  },
}

export const tokenUpdateCommand: CommandSpec = {
  summary: 'Change a token: what is given takes the place of what it had',
  usage: '',
  flags: [
    accessorFlag,
    descriptionFlag,
    ...GRANT_FLAGS,
    ...ROLE_FLAGS,
    listFlag('append-policy-name', 'name', 'one more policy'),
    listFlag('append-policy-id', 'id', 'one more policy'),
    listFlag('append-role-name', 'name', 'one more role'),
    listFlag('append-role-id', 'id', 'one more role'),
    toggle('merge-policies', 'keep the policies it has'),
    toggle('merge-roles', 'keep the roles it has'),
    toggle('merge-service-identities', 'keep the service identities it has'),
    toggle('merge-node-identities', 'keep the node identities it has'),
    toggle('merge-templated-policies', 'keep the templated policies it has'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const accessor = await accessorOf(client, args)
    const token = (await client.get(`/v1/acl/token/${accessor}`)).json() as TokenAnswer
    const given = await grantsFromFlags(args, { client, context })
    const kept = merged(token, given)
    const roles = await rolesFromFlags(client, args)
    const named = (flagName: string, field: 'ID' | 'Name') =>
      args.list(flagName).map((value) => ({ ID: '', Name: '', [field]: value }))
    const morePolicies = [
      ...named('append-policy-name', 'Name'),
      ...named('append-policy-id', 'ID'),
    ]
    const moreRoles = [...named('append-role-name', 'Name'), ...named('append-role-id', 'ID')]
    const keepsPolicies = args.bool('merge-policies') || morePolicies.length > 0
    const keepsRoles = args.bool('merge-roles') || moreRoles.length > 0
    const body = {
      AccessorID: accessor,
      Description: args.text('description') ?? token.Description,
      Policies: mergedLinks(keepsPolicies ? kept.Policies : given.Policies, morePolicies),
      Roles: mergedLinks(keepsRoles ? mergedLinks(token.Roles, roles) : roles, moreRoles),
      ServiceIdentities: args.bool('merge-service-identities')
        ? kept.ServiceIdentities
        : given.ServiceIdentities,
      NodeIdentities: args.bool('merge-node-identities')
        ? kept.NodeIdentities
        : given.NodeIdentities,
      TemplatedPolicies: args.bool('merge-templated-policies')
        ? kept.TemplatedPolicies
        : given.TemplatedPolicies,
    }
    const answer = await client.put(`/v1/acl/token/${accessor}`, { body: JSON.stringify(body) })
    return printToken(args, context, answer.json() as TokenAnswer)
  },
}

export const tokenCloneCommand: CommandSpec = {
  summary: 'Make another token like one',
  usage: '',
  flags: [accessorFlag, descriptionFlag, ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const accessor = await accessorOf(client, args)
    const description = args.text('description')
    const body =
      description === undefined ? {} : { body: JSON.stringify({ Description: description }) }
    const answer = await client.put(`/v1/acl/token/${accessor}/clone`, body)
    return printToken(args, context, answer.json() as TokenAnswer)
  },
}

export const tokenDeleteCommand: CommandSpec = {
  summary: 'Delete a token: it is nobody from then on',
  usage: '',
  flags: [accessorFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const accessor = await accessorOf(client, args)
    await client.send(`/v1/acl/token/${accessor}`, { method: 'DELETE' })
    context.stdout(`Token "${accessor}" deleted successfully\n`)
    return 0
  },
}

export const tokenListCommand: CommandSpec = {
  summary: 'List the tokens',
  usage: '',
  flags: COMMON,
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/acl/tokens')
    const tokens = answer.json() as readonly TokenAnswer[]
    if (isJson(args)) return printJson(context, tokens)
    context.stdout(tokens.map((token) => prettyToken(token, args.bool('meta'))).join('\n'))
    return 0
  },
}

export const setAgentTokenCommand: CommandSpec = {
  summary: 'Give the agent a token for its own work',
  usage: 'TYPE TOKEN',
  flags: API_FLAGS,
  run: async (args, context) => {
    const [type, token, ...more] = args.positionals
    if (type === undefined || token === undefined || more.length > 0) {
      throw new UsageError('Error: command requires exactly two arguments: the type and the token')
    }
    const body = JSON.stringify({ Token: token })
    await new ApiClient(args, context).put(`/v1/agent/token/${encodeURIComponent(type)}`, { body })
    context.stdout(`ACL token "${type}" set successfully\n`)
    return 0
  },
}

export const loginCommand: CommandSpec = {
  summary: 'Change a bearer token for a token of the cluster, whose secret goes into a file',
  usage: '',
  flags: [
    flag('method', 'name', 'the auth method'),
    flag('type', 'name', 'the type of the auth method'),
    flag('bearer-token-file', 'path', 'file with the bearer token'),
    flag('token-sink-file', 'path', 'file that gets the secret'),
    listFlag('meta', 'name=value', 'said in the description of the token; may be repeated'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const method = required(args, 'method')
    const sink = required(args, 'token-sink-file')
    const bearer = (await readText(required(args, 'bearer-token-file'), context)).trim()
    if (bearer === '')
      throw new UsageError('No bearer token found in the file of -bearer-token-file')
    const body = JSON.stringify({ AuthMethod: method, BearerToken: bearer, Meta: args.map('meta') })
    const answer = await new ApiClient(args, context).send('/v1/acl/login', {
      method: 'POST',
      body,
    })
    await writeFileAtomic(sink, (answer.json() as TokenAnswer).SecretID, { durable: false })
    return 0
  },
}

export const logoutCommand: CommandSpec = {
  summary: 'Delete the token in use, which came from a login',
  usage: '',
  flags: API_FLAGS,
  run: async (args, context) => {
    await new ApiClient(args, context).send('/v1/acl/logout', { method: 'POST' })
    return 0
  },
}

function printToken(args: Arguments, context: CliContext, token: TokenAnswer): number {
  if (isJson(args)) return printJson(context, token)
  context.stdout(prettyToken(token, args.bool('meta')))
  return 0
}
