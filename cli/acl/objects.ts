/**
 * Tokens, policies, roles, auth methods and binding rules as the API gives them, and as commands find them: by an id
 * that may be cut to its beginning, or by name (cli.md section 9).
 */

import { FairleadError } from '../../core/errors.ts'
import type { ApiClient } from '../api-client.ts'
import { type Arguments, UsageError } from '../command.ts'

export interface LinkAnswer {
  readonly ID: string
  readonly Name: string
}

export interface GrantsAnswer {
  readonly Policies?: readonly LinkAnswer[]
  readonly ServiceIdentities?: readonly { ServiceName: string; Datacenters?: readonly string[] }[]
  readonly NodeIdentities?: readonly { NodeName: string; Datacenter: string }[]
  readonly TemplatedPolicies?: readonly {
    TemplateName: string
    TemplateVariables?: Readonly<Record<string, string>>
    Datacenters?: readonly string[]
  }[]
}

export interface StampedAnswer {
  readonly Hash?: string
  readonly CreateIndex: number
  readonly ModifyIndex: number
}

export interface TokenAnswer extends GrantsAnswer, StampedAnswer {
  readonly AccessorID: string
  readonly SecretID: string
  readonly Description: string
  readonly Roles?: readonly LinkAnswer[]
  readonly Local: boolean
  readonly AuthMethod?: string
  readonly ExpirationTime?: string
  readonly CreateTime: string
}

export interface PolicyAnswer extends StampedAnswer {
  readonly ID: string
  readonly Name: string
  readonly Description: string
  readonly Datacenters?: readonly string[]
  readonly Rules?: string
}

export interface RoleAnswer extends GrantsAnswer, StampedAnswer {
  readonly ID: string
  readonly Name: string
  readonly Description: string
}

export interface AuthMethodAnswer extends StampedAnswer {
  readonly Name: string
  readonly Type: string
  readonly DisplayName?: string
  readonly Description: string
  readonly MaxTokenTTL?: string
  readonly TokenLocality?: string
  readonly Config?: Readonly<Record<string, unknown>>
}

export interface BindingRuleAnswer extends StampedAnswer {
  readonly ID: string
  readonly Description: string
  readonly AuthMethod: string
  readonly Selector: string
  readonly BindType: string
  readonly BindName: string
  readonly BindVars: Readonly<Record<string, string>> | null
}

const UUID_LENGTH = 36

/** The one id that begins with what was given. @throws FairleadError NOT_FOUND, BAD_REQUEST */
export async function wholeId(
  client: ApiClient,
  given: string,
  { list, field, what }: { readonly list: string; readonly field: string; readonly what: string },
): Promise<string> {
  if (given.length >= UUID_LENGTH) return given
  const all = (await client.get(list)).json() as readonly Readonly<Record<string, unknown>>[]
  const found = all.map((each) => String(each[field])).filter((id) => id.startsWith(given))
  const [only] = found
  if (only === undefined) {
    throw new FairleadError('NOT_FOUND', `No such ${what} ID with prefix: ${given}`)
  }
  if (found.length === 1) return only
  throw new FairleadError(
    'BAD_REQUEST',
    `${found.length} ${what} IDs begin with ${given}: give more of it`,
  )
}

export function accessorOf(client: ApiClient, args: Arguments): Promise<string> {
  const given = required(args, 'accessor-id')
  return wholeId(client, given, { list: '/v1/acl/tokens', field: 'AccessorID', what: 'token' })
}

export async function policyIdOf(client: ApiClient, args: Arguments): Promise<string> {
  const name = args.text('name') ?? ''
  const id = args.text('id') ?? ''
  if (id !== '') {
    return wholeId(client, id, { list: '/v1/acl/policies', field: 'ID', what: 'policy' })
  }
  if (name === '') throw new UsageError('Must specify either the -id or -name parameters')
  const answer = await client.get(`/v1/acl/policy/name/${encodeURIComponent(name)}`)
  return (answer.json() as PolicyAnswer).ID
}

export async function roleIdOf(client: ApiClient, args: Arguments): Promise<string> {
  const name = args.text('name') ?? ''
  const id = args.text('id') ?? ''
  if (id !== '') return wholeId(client, id, { list: '/v1/acl/roles', field: 'ID', what: 'role' })
  if (name === '') throw new UsageError('Must specify either the -id or -name parameters')
  const answer = await client.get(`/v1/acl/role/name/${encodeURIComponent(name)}`)
  return (answer.json() as RoleAnswer).ID
}

export function ruleIdOf(client: ApiClient, args: Arguments): Promise<string> {
  const given = required(args, 'id')
  return wholeId(client, given, {
    list: '/v1/acl/binding-rules',
    field: 'ID',
    what: 'binding rule',
  })
}

/** @throws UsageError */
export function required(args: Arguments, name: string): string {
  const value = args.text(name) ?? ''
  if (value === '') throw new UsageError(`Missing required '-${name}' flag`)
  return value
}
