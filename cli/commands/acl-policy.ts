/**
 * `fairlead acl policy …`, `acl role …` and `acl templated-policy …` (cli.md section 9).
 */

import { GRANT_FLAGS, grantsFromFlags, merged, variablesOf } from '../acl/grant-flags.ts'
import {
  type PolicyAnswer,
  policyIdOf,
  type RoleAnswer,
  required,
  roleIdOf,
} from '../acl/objects.ts'
import { metaFlag, prettyPolicies, prettyPolicy, prettyRole } from '../acl/pretty.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, listFlag, toggle } from '../command.ts'
import { readData } from '../input.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const COMMON = [metaFlag, formatFlag, ...SERVER_FLAGS, ...API_FLAGS]
const idFlag = flag('id', 'id', 'its id; may be cut to its beginning')
const nameFlag = flag('name', 'name', 'its name')
const descriptionFlag = flag('description', 'text', 'what it is for')
const rulesFlag = flag('rules', 'rules', 'HCL or JSON; @file reads a file, - standard input')
const datacentersFlag = listFlag(
  'valid-datacenter',
  'name',
  'where it counts; everywhere by default',
)

export const policyCreateCommand: CommandSpec = {
  summary: 'Make a policy',
  usage: '',
  flags: [nameFlag, descriptionFlag, rulesFlag, datacentersFlag, ...COMMON],
  run: async (args, context) => {
    const rules = args.text('rules')
    const body = JSON.stringify({
      Name: required(args, 'name'),
      Description: args.text('description') ?? '',
      Datacenters: args.list('valid-datacenter'),
      Rules: rules === undefined ? '' : Buffer.from(await readData(rules, context)).toString(),
    })
    const answer = await new ApiClient(args, context).put('/v1/acl/policy', { body })
    const policy = answer.json() as PolicyAnswer
    if (isJson(args)) return printJson(context, policy)
    context.stdout(prettyPolicy(policy, args.bool('meta')))
    return 0
  },
}

export const policyReadCommand: CommandSpec = {
  summary: 'Show a policy',
  usage: '',
  flags: [idFlag, nameFlag, ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await policyIdOf(client, args)
    const policy = (await client.get(`/v1/acl/policy/${id}`)).json() as PolicyAnswer
    if (isJson(args)) return printJson(context, policy)
    context.stdout(prettyPolicy(policy, args.bool('meta')))
    return 0
  },
}

export const policyUpdateCommand: CommandSpec = {
  summary: 'Change a policy: what is not given stays',
  usage: '',
  flags: [
    idFlag,
    nameFlag,
    descriptionFlag,
    rulesFlag,
    datacentersFlag,
    toggle('no-merge', 'what is not given becomes empty'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await policyIdOf(client, args)
    const before = (await client.get(`/v1/acl/policy/${id}`)).json() as PolicyAnswer
    const isMerged = !args.bool('no-merge')
    const rules = args.text('rules')
    const datacenters = args.list('valid-datacenter')
    const body = JSON.stringify({
      ID: id,
      Name: args.text('name') ?? before.Name,
      Description: args.text('description') ?? (isMerged ? before.Description : ''),
      Datacenters: datacenters.length === 0 && isMerged ? (before.Datacenters ?? []) : datacenters,
      Rules:
        rules === undefined
          ? isMerged
            ? (before.Rules ?? '')
            : ''
          : Buffer.from(await readData(rules, context)).toString(),
    })
    const policy = (await client.put(`/v1/acl/policy/${id}`, { body })).json() as PolicyAnswer
    if (isJson(args)) return printJson(context, policy)
    context.stdout(prettyPolicy(policy, args.bool('meta')))
    return 0
  },
}

export const policyDeleteCommand: CommandSpec = {
  summary: 'Delete a policy: tokens and roles lose it',
  usage: '',
  flags: [idFlag, nameFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await policyIdOf(client, args)
    await client.send(`/v1/acl/policy/${id}`, { method: 'DELETE' })
    context.stdout(`Policy "${id}" deleted successfully\n`)
    return 0
  },
}

export const policyListCommand: CommandSpec = {
  summary: 'List the policies',
  usage: '',
  flags: COMMON,
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/acl/policies')
    const policies = answer.json() as readonly PolicyAnswer[]
    if (isJson(args)) return printJson(context, policies)
    context.stdout(prettyPolicies(policies, args.bool('meta')))
    return 0
  },
}

export const roleCreateCommand: CommandSpec = {
  summary: 'Make a role',
  usage: '',
  flags: [nameFlag, descriptionFlag, ...GRANT_FLAGS, ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const body = JSON.stringify({
      Name: required(args, 'name'),
      Description: args.text('description') ?? '',
      ...(await grantsFromFlags(args, { client, context })),
    })
    const role = (await client.put('/v1/acl/role', { body })).json() as RoleAnswer
    if (isJson(args)) return printJson(context, role)
    context.stdout(prettyRole(role, args.bool('meta')))
    return 0
  },
}

export const roleReadCommand: CommandSpec = {
  summary: 'Show a role',
  usage: '',
  flags: [idFlag, nameFlag, ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await roleIdOf(client, args)
    const role = (await client.get(`/v1/acl/role/${id}`)).json() as RoleAnswer
    if (isJson(args)) return printJson(context, role)
    context.stdout(prettyRole(role, args.bool('meta')))
    return 0
  },
}

export const roleUpdateCommand: CommandSpec = {
  summary: 'Change a role: what is given is added to what it has',
  usage: '',
  flags: [
    idFlag,
    nameFlag,
    descriptionFlag,
    ...GRANT_FLAGS,
    toggle('no-merge', 'what is given takes the place of what it has'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await roleIdOf(client, args)
    const before = (await client.get(`/v1/acl/role/${id}`)).json() as RoleAnswer
    const given = await grantsFromFlags(args, { client, context })
    const body = JSON.stringify({
      ID: id,
      Name: args.text('name') ?? before.Name,
      Description: args.text('description') ?? before.Description,
      ...(args.bool('no-merge') ? given : merged(before, given)),
    })
    const role = (await client.put(`/v1/acl/role/${id}`, { body })).json() as RoleAnswer
    if (isJson(args)) return printJson(context, role)
    context.stdout(prettyRole(role, args.bool('meta')))
    return 0
  },
}

export const roleDeleteCommand: CommandSpec = {
  summary: 'Delete a role: tokens lose it',
  usage: '',
  flags: [idFlag, nameFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await roleIdOf(client, args)
    await client.send(`/v1/acl/role/${id}`, { method: 'DELETE' })
    context.stdout(`Role "${id}" deleted successfully\n`)
    return 0
  },
}

export const roleListCommand: CommandSpec = {
  summary: 'List the roles',
  usage: '',
  flags: COMMON,
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/acl/roles')
    const roles = answer.json() as readonly RoleAnswer[]
    if (isJson(args)) return printJson(context, roles)
    context.stdout(roles.map((role) => prettyRole(role, args.bool('meta'))).join('\n'))
    return 0
  },
}

interface TemplateAnswer {
  readonly TemplateName: string
  readonly Schema: string
  readonly Template: string
  readonly Description: string
}

export const templatedPolicyListCommand: CommandSpec = {
  summary: 'List the templated policies',
  usage: '',
  flags: [formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/acl/templated-policies')
    const templates = answer.json() as Readonly<Record<string, TemplateAnswer>>
    if (isJson(args)) return printJson(context, templates)
    for (const name of Object.keys(templates)) context.stdout(`${name}\n`)
    return 0
  },
}

export const templatedPolicyReadCommand: CommandSpec = {
  summary: 'Show a templated policy',
  usage: '',
  flags: [nameFlag, formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const path = `/v1/acl/templated-policy/name/${required(args, 'name')}`
    const template = (await new ApiClient(args, context).get(path)).json() as TemplateAnswer
    if (isJson(args)) return printJson(context, template)
    const takes = template.Schema === '' ? 'none' : 'name'
    context.stdout(
      `Name:            ${template.TemplateName}\nDescription:     ${template.Description}\nInput variables: ${takes}\nRaw Template:\n${template.Template}\n`,
    )
    return 0
  },
}

export const templatedPolicyPreviewCommand: CommandSpec = {
  summary: 'Show the policy that a templated policy makes',
  usage: '',
  flags: [
    nameFlag,
    listFlag('var', 'name:value', 'a variable'),
    metaFlag,
    formatFlag,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const path = `/v1/acl/templated-policy/preview/${required(args, 'name')}`
    const body = JSON.stringify(variablesOf(args))
    const answer = await new ApiClient(args, context).send(path, { method: 'POST', body })
    const policy = answer.json() as PolicyAnswer
    if (isJson(args)) return printJson(context, policy)
    context.stdout(prettyPolicy(policy, args.bool('meta')))
    return 0
  },
}
