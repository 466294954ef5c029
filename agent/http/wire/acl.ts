/**
 * Tokens, policies, roles, auth methods and binding rules as the HTTP API prints them (http-api.md 24).
 *
 * A secret is printed where it was just made or came with the request; else `<hidden>` stands for it.
 */

import type {
  AuthMethodRecord,
  BindingRuleRecord,
  Grants,
  Link,
  NodeIdentity,
  PolicyRecord,
  RoleRecord,
  ServiceIdentity,
  TemplatedPolicyLink,
  TokenRecord,
} from '../../../core/acl/records.ts'
import { hexDigest } from '../../../core/acl/secret.ts'
import { schemaOf, type TemplatedPolicy } from '../../../core/acl/templates.ts'
import type { Indexed } from '../../../core/catalog/types.ts'
import { list, opaque, text, textList, textMap, time } from './json.ts'

export const HIDDEN_SECRET = '<hidden>'

export function tokenFields(token: TokenRecord, secret: string): string {
  const content = `"Description":${text(token.description)}${linksPart('Policies', token.policies)}${linksPart('Roles', token.roles)}${grantsPart(token)}`
  const method = token.authMethod === '' ? '' : `,"AuthMethod":${text(token.authMethod)}`
  const end = token.expiresAt === 0 ? '' : `,"ExpirationTime":${time(token.expiresAt)}`
  return (
    `"AccessorID":${text(token.accessorId)},"SecretID":${text(secret)},${content},"Local":${token.local}${method}${end},` +
    `"CreateTime":${time(token.createdAt)},"Hash":${hashOf(content)},${indexes(token)}`
  )
}

export function tokenJson(token: TokenRecord, secret: string): string {
  return `{${tokenFields(token, secret)}}`
}

export function policyJson(policy: PolicyRecord): string {
  return `{${policyHead(policy)},"Rules":${text(policy.rules)},${policyTail(policy)}}`
}

/** In lists rules are left out. */
export function policyStubJson(policy: PolicyRecord): string {
  return `{${policyHead(policy)},${policyTail(policy)}}`
}

export function roleJson(role: RoleRecord): string {
  const content = `"Name":${text(role.name)},"Description":${text(role.description)}${linksPart('Policies', role.policies)}${grantsPart(role)}`
  return `{"ID":${text(role.id)},${content},"Hash":${hashOf(content)},${indexes(role)}}`
}

export function authMethodJson(method: AuthMethodRecord): string {
  return `{${authMethodHead(method)},"Config":${opaque(method.config)},${indexes(method)}}`
}

/** In lists settings are left out. */
export function authMethodStubJson(method: AuthMethodRecord): string {
  return `{${authMethodHead(method)},${indexes(method)}}`
}

export function bindingRuleJson(rule: BindingRuleRecord): string {
  const vars = Object.keys(rule.bindVars).length === 0 ? 'null' : bindVarsJson(rule.bindVars)
  return (
    `{"ID":${text(rule.id)},"Description":${text(rule.description)},"AuthMethod":${text(rule.authMethod)},` +
    `"Selector":${text(rule.selector)},"BindType":${text(rule.bindType)},"BindName":${text(rule.bindName)},` +
    `"BindVars":${vars},${indexes(rule)}}`
  )
}

export function templatedPolicyJson(policy: TemplatedPolicy): string {
  const schema = schemaOf(policy)
  const printed = schema === undefined ? '' : JSON.stringify(schema)
  return (
    `{"TemplateName":${text(policy.name)},"Schema":${text(printed)},` +
    `"Template":${text(policy.template)},"Description":${text(policy.description)}}`
  )
}

function bindVarsJson(vars: BindingRuleRecord['bindVars']): string {
  return `{"Name":${text(vars['name'] ?? vars['Name'] ?? '')}}`
}

function policyHead({ id, name, description }: PolicyRecord): string {
  return `"ID":${text(id)},"Name":${text(name)},"Description":${text(description)}`
}

function policyTail(policy: PolicyRecord): string {
  const { datacenters, name, description, rules } = policy
  const content = JSON.stringify([name, description, rules, datacenters])
  return `${datacentersPart(datacenters).replace(/^,(.+)$/, '$1,')}"Hash":${hashOf(content)},${indexes(policy)}`
}

function authMethodHead(method: AuthMethodRecord): string {
  const { name, type, displayName, description, maxTokenTtl, tokenLocality } = method
  const display = displayName === '' ? '' : `,"DisplayName":${text(displayName)}`
  const ttl = maxTokenTtl === '' ? '' : `,"MaxTokenTTL":${text(maxTokenTtl)}`
  const locality = tokenLocality === '' ? '' : `,"TokenLocality":${text(tokenLocality)}`
  return `"Name":${text(name)},"Type":${text(type)}${display},"Description":${text(description)}${ttl}${locality}`
}

function grantsPart({ serviceIdentities, nodeIdentities, templatedPolicies }: Grants): string {
  return (
    part('ServiceIdentities', serviceIdentities, serviceIdentityJson) +
    part('NodeIdentities', nodeIdentities, nodeIdentityJson) +
    part('TemplatedPolicies', templatedPolicies, templatedLinkJson)
  )
}

function linksPart(name: string, links: readonly Link[]): string {
  return part(name, links, (link) => `{"ID":${text(link.id)},"Name":${text(link.name)}}`)
}

function serviceIdentityJson({ serviceName, datacenters }: ServiceIdentity): string {
  return `{"ServiceName":${text(serviceName)}${datacentersPart(datacenters)}}`
}

function nodeIdentityJson({ nodeName, datacenter }: NodeIdentity): string {
  return `{"NodeName":${text(nodeName)},"Datacenter":${text(datacenter)}}`
}

function templatedLinkJson(link: TemplatedPolicyLink): string {
  const { templateName, variables, datacenters } = link
  const vars =
    Object.keys(variables).length === 0 ? '' : `,"TemplateVariables":${textMap(variables)}`
  return `{"TemplateName":${text(templateName)}${vars}${datacentersPart(datacenters)}}`
}

function datacentersPart(datacenters: readonly string[]): string {
  return datacenters.length === 0 ? '' : `,"Datacenters":${textList(datacenters)}`
}

function part<T>(name: string, values: readonly T[], encode: (value: T) => string): string {
  return values.length === 0 ? '' : `,"${name}":${list(values, encode)}`
}

function indexes({ createIndex, modifyIndex }: Indexed): string {
  return `"CreateIndex":${createIndex},"ModifyIndex":${modifyIndex}`
}

/** Changes with the content, and with nothing else. */
function hashOf(content: string): string {
  return `"${Buffer.from(hexDigest(content), 'hex').toString('base64')}"`
}
