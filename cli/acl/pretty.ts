/**
 * Tokens, policies, roles, auth methods and binding rules for people (cli.md section 9).
 */

import { type FlagSpec, toggle } from '../command.ts'
import type {
  AuthMethodAnswer,
  BindingRuleAnswer,
  GrantsAnswer,
  LinkAnswer,
  PolicyAnswer,
  RoleAnswer,
  StampedAnswer,
  TokenAnswer,
} from './objects.ts'

export const metaFlag: FlagSpec = toggle('meta', 'show hash and indexes too')

const WIDTH = 18
const ZERO_TIME = '0001-01-01T00:00:00Z'

export function prettyToken(token: TokenAnswer, withMeta: boolean): string {
  return [
    row('AccessorID', token.AccessorID),
    row('SecretID', token.SecretID),
    row('Description', token.Description),
    row('Local', String(token.Local)),
    ...(token.AuthMethod ? [row('Auth Method', token.AuthMethod)] : []),
    row('Create Time', goTime(token.CreateTime)),
    ...(token.ExpirationTime === undefined
      ? []
      : [row('Expiration Time', goTime(token.ExpirationTime))]),
    ...metaRows(token, withMeta),
    ...links('Policies', token.Policies),
    ...links('Roles', token.Roles),
    ...grants(token),
  ].join('')
}

export function prettyPolicy(policy: PolicyAnswer, withMeta: boolean): string {
  return [
    row('ID', policy.ID),
    row('Name', policy.Name),
    row('Description', policy.Description),
    row('Datacenters', (policy.Datacenters ?? []).join(', ')),
    ...metaRows(policy, withMeta),
    'Rules:\n',
    `${policy.Rules ?? ''}\n`,
  ].join('')
}

export function prettyPolicies(policies: readonly PolicyAnswer[], withMeta: boolean): string {
  return policies
    .map((policy) =>
      [
        `${policy.Name}:\n`,
        `   ID:           ${policy.ID}\n`,
        `   Description:  ${policy.Description}\n`,
        `   Datacenters:  ${(policy.Datacenters ?? []).join(', ')}\n`,
        ...metaRows(policy, withMeta).map((line) => `   ${line}`),
      ].join(''),
    )
    .join('')
}

export function prettyRole(role: RoleAnswer, withMeta: boolean): string {
  return [
    row('ID', role.ID),
    row('Name', role.Name),
    row('Description', role.Description),
    ...metaRows(role, withMeta),
    ...links('Policies', role.Policies),
    ...grants(role),
  ].join('')
}

export function prettyAuthMethod(method: AuthMethodAnswer, withMeta: boolean): string {
  return [
    row('Name', method.Name),
    row('Type', method.Type),
    ...(method.DisplayName ? [row('Display Name', method.DisplayName)] : []),
    row('Description', method.Description),
    ...(method.MaxTokenTTL ? [row('Max Token TTL', method.MaxTokenTTL)] : []),
    ...(method.TokenLocality ? [row('Token Locality', method.TokenLocality)] : []),
    ...metaRows(method, withMeta),
    ...(method.Config === undefined
      ? []
      : ['Config:\n', `${JSON.stringify(method.Config, undefined, 2)}\n`]),
  ].join('')
}

export function prettyBindingRule(rule: BindingRuleAnswer, withMeta: boolean): string {
  const vars = Object.entries(rule.BindVars ?? {}).map(
    ([name, value]) => `   - ${name}: ${value}\n`,
  )
  return [
    row('ID', rule.ID),
    row('AuthMethod', rule.AuthMethod),
    row('Description', rule.Description),
    row('BindType', rule.BindType),
    row('BindName', rule.BindName),
    ...(vars.length === 0 ? [] : ['BindVars:\n', ...vars]),
    row('Selector', rule.Selector),
    ...metaRows(rule, withMeta),
  ].join('')
}

function row(name: string, value: string): string {
  return `${`${name}:`.padEnd(WIDTH)}${value}`.trimEnd().concat('\n')
}

function metaRows({ Hash, CreateIndex, ModifyIndex }: StampedAnswer, withMeta: boolean): string[] {
  if (!withMeta) return []
  return [
    ...(Hash === undefined ? [] : [row('Hash', Buffer.from(Hash, 'base64').toString('hex'))]),
    row('Create Index', String(CreateIndex)),
    row('Modify Index', String(ModifyIndex)),
  ]
}

function links(title: string, values: readonly LinkAnswer[] | undefined): string[] {
  return section(title, values, ({ ID, Name }) => [`${ID} - ${Name}`])
}

function grants(given: GrantsAnswer): string[] {
  return [
    ...section('Service Identities', given.ServiceIdentities, ({ ServiceName, Datacenters }) => [
      `${ServiceName} (Datacenters: ${Datacenters?.join(', ') || 'all'})`,
    ]),
    ...section('Node Identities', given.NodeIdentities, ({ NodeName, Datacenter }) => [
      `${NodeName} (Datacenter: ${Datacenter})`,
    ]),
    ...section('Templated Policies', given.TemplatedPolicies, (link) => [
      link.TemplateName,
      ...Object.entries(link.TemplateVariables ?? {}).map(
        ([name, value]) => `   ${name}: ${value}`,
      ),
      `   Datacenters: ${link.Datacenters?.join(', ') || 'all'}`,
    ]),
  ]
}

function section<T>(
  title: string,
  values: readonly T[] | undefined,
  lines: (value: T) => readonly string[],
): string[] {
  if (values === undefined || values.length === 0) return []
  return [`${title}:\n`, ...values.flatMap(lines).map((line) => `   ${line}\n`)]
}

/** As Go prints a time. */
function goTime(text: string): string {
  if (text === ZERO_TIME) return '0001-01-01 00:00:00 +0000 UTC'
  return text.replace('T', ' ').replace(/Z$/, ' +0000 UTC')
}
