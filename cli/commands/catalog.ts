/**
 * `fairlead catalog datacenters | nodes | services` (cli.md section 4).
 *
 * Nothing found is said on stderr and is no failure, as scripts written for Consul expect.
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type Arguments, type CommandSpec, flag, listFlag, toggle } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface NodeAnswer {
  readonly ID: string
  readonly Node: string
  readonly Address: string
  readonly Datacenter: string
  readonly TaggedAddresses: Readonly<Record<string, string>> | null
  readonly Meta: Readonly<Record<string, string>> | null
}

export const datacentersCommand: CommandSpec = {
  summary: 'List datacenters',
  usage: '',
  flags: [formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get('/v1/catalog/datacenters')
    if (wantsJson) return printJson(context, answer.json())
    for (const name of answer.json() as readonly string[]) context.stdout(`${name}\n`)
    return 0
  },
}

export const nodesCommand: CommandSpec = {
  summary: 'List nodes',
  usage: '',
  flags: [
    toggle('detailed', 'show addresses and metadata'),
    flag('filter', 'expression', 'only nodes that the expression selects'),
    flag('near', 'node', 'nearest to this node first'),
    listFlag('node-meta', 'name=value', 'only nodes with this fact; repeatable'),
    flag('service', 'name', 'only nodes that run this service'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const service = args.text('service')
    const path =
      service === undefined
        ? '/v1/catalog/nodes'
        : `/v1/catalog/service/${encodeURIComponent(service)}`
    const query = {
      filter: selection(args),
      near: args.text('near'),
    }
    const wantsJson = isJson(args)
    const nodes = uniqueNodes((await client.get(path, { query })).json() as readonly NodeAnswer[])
    if (wantsJson) return printJson(context, nodes)
    if (nodes.length === 0) {
      context.stderr('No nodes match the given query - try expanding your search.\n')
      return 0
    }
    context.stdout(formatTable(args.bool('detailed') ? detailed(nodes) : standard(nodes)))
    return 0
  },
}

export const servicesCommand: CommandSpec = {
  summary: 'List services',
  usage: '',
  flags: [
    flag('node', 'name', 'only services of this node'),
    listFlag('node-meta', 'name=value', 'only services on nodes with this fact; repeatable'),
    toggle('tags', 'show the tags of each service'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const services = await readServices(new ApiClient(args, context), args)
    if (wantsJson) return printJson(context, Object.fromEntries(services))
    if (services.size === 0) {
      context.stderr('No services match the given query - try expanding your search.\n')
      return 0
    }
    const rows = [...services]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, tags]) => (args.bool('tags') ? [name, [...tags].sort().join(',')] : [name]))
    context.stdout(formatTable(rows))
    return 0
  },
}

/** The node-meta pairs, as an expression; both conditions must hold. */
function selection(args: Arguments): string | undefined {
  const parts = Object.entries(args.map('node-meta')).map(
    ([name, value]) => `Meta[${JSON.stringify(name)}] == ${JSON.stringify(value)}`,
  )
  const given = args.text('filter')
  if (given !== undefined) parts.push(`(${given})`)
  return parts.length === 0 ? undefined : parts.join(' and ')
}

async function readServices(
  client: ApiClient,
  args: Arguments,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const node = args.text('node')
  if (node === undefined) {
    const meta = Object.entries(args.map('node-meta')).map(([name, value]) => `${name}:${value}`)
    const answer = await client.get('/v1/catalog/services', { query: { 'node-meta': meta } })
    return new Map(Object.entries(answer.json() as Readonly<Record<string, readonly string[]>>))
  }
  const answer = (await client.get(`/v1/catalog/node/${encodeURIComponent(node)}`)).json()
  const found = answer as {
    Services: Readonly<Record<string, { Service: string; Tags: string[] }>>
  } | null
  const services = new Map<string, readonly string[]>()
  for (const { Service, Tags } of Object.values(found?.Services ?? {})) {
    services.set(Service, [...new Set([...(services.get(Service) ?? []), ...(Tags ?? [])])])
  }
  return services
}

function uniqueNodes(nodes: readonly NodeAnswer[]): readonly NodeAnswer[] {
  return [...new Map(nodes.map((node) => [node.Node, node])).values()]
}

function standard(nodes: readonly NodeAnswer[]): readonly (readonly string[])[] {
  return [
    ['Node', 'ID', 'Address', 'DC'],
    ...nodes.map((node) => [node.Node, node.ID.split('-')[0] ?? '', node.Address, node.Datacenter]),
  ]
}

function detailed(nodes: readonly NodeAnswer[]): readonly (readonly string[])[] {
  const pairs = (map: Readonly<Record<string, string>> | null): string =>
    Object.entries(map ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .sort()
      .join(', ')
  return [
    ['Node', 'ID', 'Address', 'DC', 'TaggedAddresses', 'Meta'],
    ...nodes.map((node) => [
      node.Node,
      node.ID,
      node.Address,
      node.Datacenter,
      pairs(node.TaggedAddresses),
      pairs(node.Meta),
    ]),
  ]
}
