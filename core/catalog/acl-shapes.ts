/**
 * The structure of tokens, policies, roles, auth methods and binding rules. Pure tables, as command-shape.ts.
 */

import { boolean, both, count, jsonObject, listOf, mapOf, object, text } from './shape.ts'

const indexed = object({ createIndex: count, modifyIndex: count })
const stringMap = mapOf(text)
const texts = listOf(text)
const link = object({ id: text, name: text })

const grants = object({
  policies: listOf(link),
  serviceIdentities: listOf(object({ serviceName: text, datacenters: texts })),
  nodeIdentities: listOf(object({ nodeName: text, datacenter: text })),
  templatedPolicies: listOf(
    object({ templateName: text, variables: stringMap, datacenters: texts }),
  ),
})

const token = both(
  grants,
  object({
    accessorId: text,
    secretHash: text,
    description: text,
    roles: listOf(link),
    local: boolean,
    authMethod: text,
  }),
)

export const tokenWriteShape = both(token, object({ ttlMs: count }))
export const tokenShape = both(
  both(token, indexed),
  object({
    expiresAt: (value) => (Number.isFinite(value) ? undefined : ': expected a number'),
    createdAt: (value) => (Number.isFinite(value) ? undefined : ': expected a number'),
  }),
)

export const policyShape = object({
  id: text,
  name: text,
  description: text,
  rules: text,
  datacenters: texts,
})

export const roleShape = both(grants, object({ id: text, name: text, description: text }))

export const authMethodShape = object({
  name: text,
  type: text,
  displayName: text,
  description: text,
  maxTokenTtl: text,
  tokenLocality: text,
  config: jsonObject,
})

export const bindingRuleShape = object({
  id: text,
  description: text,
  authMethod: text,
  selector: text,
  bindType: text,
  bindName: text,
  bindVars: stringMap,
})
