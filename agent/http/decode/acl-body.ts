/**
 * Bodies of tokens, policies, roles, auth methods and binding rules (http-api.md 24).
 *
 * What a read gives may be sent back as it is; a field that nothing reads is refused by name. What the values must be is
 * the store's to say.
 */

import type {
  AuthMethodWrite,
  BindingRuleWrite,
  Grants,
  Link,
  PolicyWrite,
  RoleWrite,
} from '../../../core/acl/records.ts'
import type { JsonObject, StringMap } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import {
  boolean,
  type Decoder,
  durationMs,
  list,
  opaque,
  opaqueObject,
  string,
  stringMap,
} from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { formatDurationMs } from '../../../core/duration.ts'
import { FairleadError, toFairleadError } from '../../../core/errors.ts'

const LINK = object('ACLLink', { id: field('ID', string, ''), name: field('Name', string, '') })

const SERVICE_IDENTITY = object('ACLServiceIdentity', {
  serviceName: field('ServiceName', string, ''),
  datacenters: field<readonly string[]>('Datacenters', list(string), []),
})

const NODE_IDENTITY = object('ACLNodeIdentity', {
  nodeName: field('NodeName', string, ''),
  datacenter: field('Datacenter', string, ''),
})

const TEMPLATED = object('ACLTemplatedPolicy', {
  templateName: field('TemplateName', string, ''),
  templateId: optional('TemplateID', string),
  variables: optional('TemplateVariables', opaqueObject),
  datacenters: field<readonly string[]>('Datacenters', list(string), []),
})

const READ_BACK = {
  hash: optional('Hash', opaque),
  createIndex: optional('CreateIndex', opaque),
  modifyIndex: optional('ModifyIndex', opaque),
  namespace: optional('Namespace', opaque),
  partition: optional('Partition', opaque),
}

const NO_LINKS: readonly Link[] = []

const GRANTS = {
  policies: field('Policies', list(LINK), NO_LINKS),
  serviceIdentities: field('ServiceIdentities', list(SERVICE_IDENTITY), []),
  nodeIdentities: field('NodeIdentities', list(NODE_IDENTITY), []),
  templatedPolicies: field('TemplatedPolicies', list(TEMPLATED), []),
}

const TOKEN = object('ACLToken', {
  accessorId: field('AccessorID', string, ''),
  secretId: field('SecretID', string, ''),
  description: field('Description', string, ''),
  ...GRANTS,
  roles: field('Roles', list(LINK), NO_LINKS),
  local: field('Local', boolean, false),
  authMethod: field('AuthMethod', string, ''),
  ttlMs: field('ExpirationTTL', durationMs, 0),
  expirationTime: optional('ExpirationTime', opaque),
  createTime: optional('CreateTime', opaque),
  legacy: optional('Legacy', opaque),
  id: optional('ID', opaque),
  ...READ_BACK,
})

const POLICY = object('ACLPolicy', {
  id: field('ID', string, ''),
  name: field('Name', string, ''),
  description: field('Description', string, ''),
  rules: field('Rules', string, ''),
  datacenters: field<readonly string[]>('Datacenters', list(string), []),
  ...READ_BACK,
})

const ROLE = object('ACLRole', {
  id: field('ID', string, ''),
  name: field('Name', string, ''),
  description: field('Description', string, ''),
  ...GRANTS,
  ...READ_BACK,
})

const METHOD = object('ACLAuthMethod', {
  name: field('Name', string, ''),
  type: field('Type', string, ''),
  displayName: field('DisplayName', string, ''),
  description: field('Description', string, ''),
  maxTokenTtl: field<string | number>('MaxTokenTTL', durationText(), ''),
  tokenLocality: field('TokenLocality', string, ''),
  config: field<JsonObject>('Config', opaqueObject, {}),
  namespaceRules: optional('NamespaceRules', opaque),
  ...READ_BACK,
})

const RULE = object('ACLBindingRule', {
  id: field('ID', string, ''),
  description: field('Description', string, ''),
  authMethod: field('AuthMethod', string, ''),
  selector: field('Selector', string, ''),
  bindType: field('BindType', string, ''),
  bindName: field('BindName', string, ''),
  bindVars: optional('BindVars', stringMap),
  ...READ_BACK,
})

const LOGIN = object('ACLLoginParams', {
  authMethod: field('AuthMethod', string, ''),
  bearerToken: field('BearerToken', string, ''),
  meta: field<StringMap>('Meta', stringMap, {}),
  ...READ_BACK,
})

export interface TokenBody extends Grants {
  readonly accessorId: string
  readonly secretId: string
  readonly description: string
  readonly roles: readonly Link[]
  readonly local: boolean
  readonly authMethod: string
  readonly ttlMs: number
}

/** @throws FairleadError BAD_REQUEST; so do the others */
export function tokenFromBody(text: string): TokenBody {
  const { accessorId, secretId, description, roles, local, authMethod, ttlMs, ...rest } = decodedAs(
    'Token',
    TOKEN,
    text,
  )
  const granted = grantsOf(rest)
  return { accessorId, secretId, description, roles, local, authMethod, ttlMs, ...granted }
}

export function policyFromBody(text: string): PolicyWrite {
  const { id, name, description, rules, datacenters } = decodedAs('Policy', POLICY, text)
  return { id, name, description, rules, datacenters }
}

export function roleFromBody(text: string): RoleWrite {
  const { id, name, description, ...rest } = decodedAs('Role', ROLE, text)
  return { id, name, description, ...grantsOf(rest) }
}

export function authMethodFromBody(text: string): AuthMethodWrite {
  const given = decodedAs('AuthMethod', METHOD, text)
  const { name, type, displayName, description, tokenLocality, config } = given
  const maxTokenTtl = String(given.maxTokenTtl)
  return { name, type, displayName, description, maxTokenTtl, tokenLocality, config }
}

export function bindingRuleFromBody(text: string): BindingRuleWrite {
  const given = decodedAs('BindingRule', RULE, text)
  const { id, description, authMethod, selector, bindType, bindName, bindVars = {} } = given
  const vars = Object.entries(bindVars).filter(([, value]) => value !== '')
  return {
    id,
    description,
    authMethod,
    selector,
    bindType,
    bindName,
    bindVars: Object.fromEntries(vars.map(([name, value]) => [name.toLowerCase(), value])),
  }
}

export function loginFromBody(text: string): {
  readonly authMethod: string
  readonly bearerToken: string
  readonly meta: StringMap
} {
  const { authMethod, bearerToken, meta } = reworded('Failed to decode request body', LOGIN, text)
  return { authMethod, bearerToken, meta }
}

interface GivenGrants {
  readonly policies: readonly Link[]
  readonly serviceIdentities: Grants['serviceIdentities']
  readonly nodeIdentities: Grants['nodeIdentities']
  readonly templatedPolicies: readonly {
    readonly templateName: string
    readonly variables: JsonObject | undefined
    readonly datacenters: readonly string[]
  }[]
}

function grantsOf(given: GivenGrants): Grants {
  const { policies, serviceIdentities, nodeIdentities, templatedPolicies } = given
  return {
    policies,
    serviceIdentities,
    nodeIdentities,
    templatedPolicies: templatedPolicies.map(({ templateName, variables, datacenters }) => ({
      templateName,
      variables: variablesOf(variables ?? {}),
      datacenters,
    })),
  }
}

/** `Name` and `name` are the same, and an empty one is none. @throws FairleadError BAD_REQUEST */
export function variablesOf(given: JsonObject): StringMap {
  const found: Record<string, string> = {}
  for (const [key, value] of Object.entries(given)) {
    if (key.toLowerCase() !== 'name') {
      throw new FairleadError(
        'BAD_REQUEST',
        `Templated policies have no variable "${key}"; use name`,
      )
    }
    if (typeof value !== 'string') {
      throw new FairleadError('BAD_REQUEST', 'The variable name of a templated policy is a text')
    }
    if (value !== '') found['name'] = value
  }
  return found
}

/** A text as it is, or Go's number of nanoseconds as a text. */
function durationText(): Decoder<string> {
  return {
    type: 'time.Duration',
    read(input, at) {
      if (typeof input === 'string') return input
      const ms = durationMs.read(input, at)
      if (typeof ms !== 'number') return ms
      return ms === 0 ? '' : formatDurationMs(ms)
    },
  }
}

function decodedAs<T>(what: string, decoder: Decoder<T>, text: string): T {
  return reworded(`${what} decoding failed`, decoder, text)
}

function reworded<T>(prefix: string, decoder: Decoder<T>, text: string): T {
  try {
    return decodeBody(decoder, text)
  } catch (thrown) {
    const { message } = toFairleadError(thrown)
    const reason = message.replace(/^Request decode failed: /, '')
    throw new FairleadError('BAD_REQUEST', `${prefix}: ${reason}`, { cause: thrown })
  }
}
