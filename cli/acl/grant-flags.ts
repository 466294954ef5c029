/**
 * Flags that say what a token or role gives: policies, roles, identities, templated policies (cli.md section 9).
 */

import type { ApiClient } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type FlagSpec,
  flag,
  listFlag,
  UsageError,
} from '../command.ts'
import { readText } from '../input.ts'
import { type GrantsAnswer, type LinkAnswer, wholeId } from './objects.ts'

export const GRANT_FLAGS: readonly FlagSpec[] = [
  listFlag('policy-id', 'id', 'a policy; may be cut to its beginning, may be repeated'),
  listFlag('policy-name', 'name', 'a policy by its name; may be repeated'),
  listFlag(
    'service-identity',
    'name[:dc,…]',
    'what an instance of the service needs; may be repeated',
  ),
  listFlag('node-identity', 'name:dc', 'what the agent of the node needs; may be repeated'),
  flag('templated-policy', 'name', 'a templated policy, such as builtin/dns'),
  listFlag('var', 'name:value', 'a variable of -templated-policy'),
  flag('templated-policy-file', 'path', 'a templated policy with its variables, as JSON'),
]

export const ROLE_FLAGS: readonly FlagSpec[] = [
  listFlag('role-id', 'id', 'a role; may be cut to its beginning, may be repeated'),
  listFlag('role-name', 'name', 'a role by its name; may be repeated'),
]

type Body = Required<GrantsAnswer>

export async function grantsFromFlags(
  args: Arguments,
  { client, context }: { readonly client: ApiClient; readonly context: CliContext },
): Promise<Body> {
  return {
    Policies: await linksOf(client, args, 'policy'),
    ServiceIdentities: args.list('service-identity').map(serviceIdentity),
    NodeIdentities: args.list('node-identity').map(nodeIdentity),
    TemplatedPolicies: await templatedOf(args, context),
  }
}

export function rolesFromFlags(client: ApiClient, args: Arguments): Promise<readonly LinkAnswer[]> {
  return linksOf(client, args, 'role')
}

/** What there was, and what is new of what is given. */
export function merged(before: GrantsAnswer, given: Body): Body {
  return {
    Policies: mergedLinks(before.Policies, given.Policies),
    ServiceIdentities: [...(before.ServiceIdentities ?? []), ...given.ServiceIdentities],
    NodeIdentities: [...(before.NodeIdentities ?? []), ...given.NodeIdentities],
    TemplatedPolicies: [...(before.TemplatedPolicies ?? []), ...given.TemplatedPolicies],
  }
}

export function mergedLinks(
  before: readonly LinkAnswer[] | undefined,
  given: readonly LinkAnswer[],
): readonly LinkAnswer[] {
  const kept = before ?? []
  const isNew = (link: LinkAnswer): boolean =>
    !kept.some(({ ID, Name }) => (link.ID === '' ? Name === link.Name : ID === link.ID))
  return [...kept, ...given.filter(isNew)]
}

async function linksOf(
  client: ApiClient,
  args: Arguments,
  what: 'policy' | 'role',
): Promise<readonly LinkAnswer[]> {
  const links: LinkAnswer[] = args.list(`${what}-name`).map((Name) => ({ ID: '', Name }))
  const list = what === 'policy' ? '/v1/acl/policies' : '/v1/acl/roles'
  for (const id of args.list(`${what}-id`)) {
    links.push({ ID: await wholeId(client, id, { list, field: 'ID', what }), Name: '' })
  }
  return links
}

function serviceIdentity(text: string): Body['ServiceIdentities'][number] {
  const [name = '', datacenters] = text.split(':', 2)
  if (datacenters === undefined) return { ServiceName: name }
  return { ServiceName: name, Datacenters: datacenters.split(',') }
}

function nodeIdentity(text: string): Body['NodeIdentities'][number] {
  const [name, datacenter, ...more] = text.split(':')
  if (name === undefined || datacenter === undefined || more.length > 0) {
    throw new UsageError(
      `Malformed -node-identity argument: ${JSON.stringify(text)}; write <node name>:<datacenter>`,
    )
  }
  return { NodeName: name, Datacenter: datacenter }
}

async function templatedOf(
  args: Arguments,
  context: CliContext,
): Promise<Body['TemplatedPolicies']> {
  const name = args.text('templated-policy') ?? ''
  const file = args.text('templated-policy-file') ?? ''
  const found: Body['TemplatedPolicies'][number][] = []
  if (file !== '') found.push(JSON.parse(await readText(file, context)))
  if (name !== '') {
    const variables = variablesOf(args)
    found.push({
      TemplateName: name,
      ...(Object.keys(variables).length === 0 ? {} : { TemplateVariables: variables }),
    })
  } else if (args.list('var').length > 0) {
    throw new UsageError('Cannot specify variables without specifying -templated-policy')
  }
  return found
}

/** @throws UsageError */
export function variablesOf(args: Arguments): Readonly<Record<string, string>> {
  const pairs = args.list('var').map((text): [string, string] => {
    const at = text.indexOf(':')
    if (at < 1)
      throw new UsageError(`Malformed -var argument: ${JSON.stringify(text)}; write name:value`)
    return [text.slice(0, at), text.slice(at + 1)]
  })
  return Object.fromEntries(pairs)
}
