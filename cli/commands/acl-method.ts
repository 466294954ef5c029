/**
 * `fairlead acl auth-method …` and `acl binding-rule …` (cli.md section 9).
 */

import {
  type AuthMethodAnswer,
  type BindingRuleAnswer,
  required,
  ruleIdOf,
} from '../acl/objects.ts'
import { metaFlag, prettyAuthMethod, prettyBindingRule } from '../acl/pretty.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, listFlag, toggle, UsageError } from '../command.ts'
import { readData } from '../input.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

const COMMON = [metaFlag, formatFlag, ...SERVER_FLAGS, ...API_FLAGS]
const nameFlag = flag('name', 'name', 'its name')
const METHOD_FLAGS = [
  nameFlag,
  flag('type', 'type', 'jwt'),
  flag('display-name', 'text', 'how it is shown'),
  flag('description', 'text', 'what it is for'),
  flag('max-token-ttl', 'duration', 'how long its tokens are good for'),
  flag('token-locality', 'local|global', 'where its tokens count'),
  flag('config', 'json', 'its settings; @file reads a file, - standard input'),
]

const RULE_FLAGS = [
  flag('method', 'name', 'the auth method'),
  flag('description', 'text', 'what it is for'),
  flag('selector', 'expression', 'whom it is for, such as value.team == web; everybody by default'),
  flag('bind-type', 'type', 'service, node, role, policy or templated-policy'),
  flag('bind-name', 'name', 'what it gives; may hold variables of the identity'),
  listFlag('bind-vars', 'name=value', 'a variable of a templated policy'),
]

export const authMethodCreateCommand: CommandSpec = {
  summary: 'Make an auth method',
  usage: '',
  flags: [...METHOD_FLAGS, ...COMMON],
  run: async (args, context) => {
    const config = args.text('config')
    const body = JSON.stringify({
      Name: required(args, 'name'),
      Type: required(args, 'type'),
      DisplayName: args.text('display-name') ?? '',
      Description: args.text('description') ?? '',
      MaxTokenTTL: args.text('max-token-ttl') ?? '',
      TokenLocality: args.text('token-locality') ?? '',
      Config: config === undefined ? {} : parsed(await readData(config, context)),
    })
    const answer = await new ApiClient(args, context).put('/v1/acl/auth-method', { body })
    const method = answer.json() as AuthMethodAnswer
    if (isJson(args)) return printJson(context, method)
    context.stdout(prettyAuthMethod(method, args.bool('meta')))
    return 0
  },
}

export const authMethodReadCommand: CommandSpec = {
  summary: 'Show an auth method',
  usage: '',
  flags: [nameFlag, ...COMMON],
  run: async (args, context) => {
    const path = `/v1/acl/auth-method/${encodeURIComponent(required(args, 'name'))}`
    const method = (await new ApiClient(args, context).get(path)).json() as AuthMethodAnswer
    if (isJson(args)) return printJson(context, method)
    context.stdout(prettyAuthMethod(method, args.bool('meta')))
    return 0
  },
}

export const authMethodUpdateCommand: CommandSpec = {
  summary: 'Change an auth method: what is not given stays',
  usage: '',
  flags: [...METHOD_FLAGS, toggle('no-merge', 'what is not given becomes empty'), ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const path = `/v1/acl/auth-method/${encodeURIComponent(required(args, 'name'))}`
    const before = (await client.get(path)).json() as AuthMethodAnswer
    const kept = args.bool('no-merge') ? undefined : before
    const config = args.text('config')
    const body = JSON.stringify({
      Name: before.Name,
      Type: before.Type,
      DisplayName: args.text('display-name') ?? kept?.DisplayName ?? '',
      Description: args.text('description') ?? kept?.Description ?? '',
      MaxTokenTTL: args.text('max-token-ttl') ?? kept?.MaxTokenTTL ?? '',
      TokenLocality: args.text('token-locality') ?? kept?.TokenLocality ?? '',
      Config: config === undefined ? (kept?.Config ?? {}) : parsed(await readData(config, context)),
    })
    const method = (await client.put(path, { body })).json() as AuthMethodAnswer
    if (isJson(args)) return printJson(context, method)
    context.stdout(prettyAuthMethod(method, args.bool('meta')))
    return 0
  },
}

export const authMethodDeleteCommand: CommandSpec = {
  summary: 'Delete an auth method with its binding rules and tokens',
  usage: '',
  flags: [nameFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const name = required(args, 'name')
    const path = `/v1/acl/auth-method/${encodeURIComponent(name)}`
    await new ApiClient(args, context).send(path, { method: 'DELETE' })
    context.stdout(`Auth-method "${name}" deleted successfully\n`)
    return 0
  },
}

export const authMethodListCommand: CommandSpec = {
  summary: 'List the auth methods',
  usage: '',
  flags: COMMON,
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/acl/auth-methods')
    const methods = answer.json() as readonly AuthMethodAnswer[]
    if (isJson(args)) return printJson(context, methods)
    context.stdout(methods.map((each) => prettyAuthMethod(each, args.bool('meta'))).join('\n'))
    return 0
  },
}

export const bindingRuleCreateCommand: CommandSpec = {
  summary: 'Make a binding rule: what a login by an auth method gives',
  usage: '',
  flags: [...RULE_FLAGS, ...COMMON],
  run: async (args, context) => {
    const body = JSON.stringify({
      AuthMethod: required(args, 'method'),
      Description: args.text('description') ?? '',
      Selector: args.text('selector') ?? '',
      BindType: required(args, 'bind-type'),
      BindName: required(args, 'bind-name'),
      BindVars: args.map('bind-vars'),
    })
    const answer = await new ApiClient(args, context).put('/v1/acl/binding-rule', { body })
    const rule = answer.json() as BindingRuleAnswer
    if (isJson(args)) return printJson(context, rule)
    context.stdout(prettyBindingRule(rule, args.bool('meta')))
    return 0
  },
}

export const bindingRuleReadCommand: CommandSpec = {
  summary: 'Show a binding rule',
  usage: '',
  flags: [flag('id', 'id', 'its id; may be cut to its beginning'), ...COMMON],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await ruleIdOf(client, args)
    const rule = (await client.get(`/v1/acl/binding-rule/${id}`)).json() as BindingRuleAnswer
    if (isJson(args)) return printJson(context, rule)
    context.stdout(prettyBindingRule(rule, args.bool('meta')))
    return 0
  },
}

export const bindingRuleUpdateCommand: CommandSpec = {
  summary: 'Change a binding rule: what is not given stays',
  usage: '',
  flags: [
    flag('id', 'id', 'its id; may be cut to its beginning'),
    ...RULE_FLAGS.filter(({ name }) => name !== 'method'),
    toggle('no-merge', 'what is not given becomes empty'),
    ...COMMON,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await ruleIdOf(client, args)
    const before = (await client.get(`/v1/acl/binding-rule/${id}`)).json() as BindingRuleAnswer
    const kept = args.bool('no-merge') ? undefined : before
    const vars = args.map('bind-vars')
    const body = JSON.stringify({
      ID: id,
      AuthMethod: before.AuthMethod,
      Description: args.text('description') ?? kept?.Description ?? '',
      Selector: args.text('selector') ?? kept?.Selector ?? '',
      BindType: args.text('bind-type') ?? before.BindType,
      BindName: args.text('bind-name') ?? before.BindName,
      BindVars: Object.keys(vars).length === 0 ? (kept?.BindVars ?? {}) : vars,
    })
    const answer = await client.put(`/v1/acl/binding-rule/${id}`, { body })
    const rule = answer.json() as BindingRuleAnswer
    if (isJson(args)) return printJson(context, rule)
    context.stdout(prettyBindingRule(rule, args.bool('meta')))
    return 0
  },
}

export const bindingRuleDeleteCommand: CommandSpec = {
  summary: 'Delete a binding rule; tokens that it has given stay',
  usage: '',
  flags: [flag('id', 'id', 'its id; may be cut to its beginning'), ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const id = await ruleIdOf(client, args)
    await client.send(`/v1/acl/binding-rule/${id}`, { method: 'DELETE' })
    context.stdout(`Binding rule "${id}" deleted successfully\n`)
    return 0
  },
}

export const bindingRuleListCommand: CommandSpec = {
  summary: 'List the binding rules',
  usage: '',
  flags: [flag('method', 'name', 'of this auth method alone'), ...COMMON],
  run: async (args, context) => {
    const authmethod = args.text('method')
    const answer = await new ApiClient(args, context).get('/v1/acl/binding-rules', {
      query: { authmethod },
    })
    const rules = answer.json() as readonly BindingRuleAnswer[]
    if (isJson(args)) return printJson(context, rules)
    context.stdout(rules.map((each) => prettyBindingRule(each, args.bool('meta'))).join('\n'))
    return 0
  },
}

/** @throws UsageError */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (err) {
    throw new UsageError(`Error parsing the JSON of -config: ${(err as Error).message}`)
  }
}
