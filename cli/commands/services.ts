/**
 * `fairlead services register` and `deregister`: from flags, or from JSON or HCL files (cli.md section 4).
 */

import type { Json, JsonObject } from '../../core/catalog/types.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  listFlag,
  UsageError,
} from '../command.ts'
import { readText } from '../input.ts'
import { servicesOfFile } from '../service-file.ts'

export const registerCommand: CommandSpec = {
  summary: 'Register services with the local agent, from flags or from files',
  usage: '[FILE...]',
  flags: [
    flag('id', 'id', 'id of the instance (default: the name)'),
    flag('name', 'name', 'name of the service'),
    flag('address', 'address', 'address of the service (default: that of the node)'),
    flag('port', 'port', 'port of the service'),
    flag('socket', 'path', 'Unix socket of the service'),
    flag('kind', 'kind', 'kind of the service'),
    listFlag('meta', 'name=value', 'a fact; repeatable'),
    listFlag('tag', 'tag', 'a tag; repeatable'),
    listFlag('tagged-address', 'name=ip:port', 'another address; repeatable'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const hasName = args.has('name')
    if (args.positionals.length === 0 && !hasName) {
      throw new UsageError('Service registration requires at least one argument or flags.')
    }
    if (args.positionals.length > 0 && (hasName || args.has('id'))) {
      throw new UsageError('Service registration requires arguments or -id, not both.')
    }
    const services = hasName ? [fromFlags(args)] : await fromFiles(args.positionals, context)
    const client = new ApiClient(args, context)
    for (const service of services) {
      await client.put('/v1/agent/service/register', { body: JSON.stringify(service) })
      context.stdout(`Registered service: ${nameOf(service)}\n`)
    }
    return 0
  },
}

export const deregisterCommand: CommandSpec = {
  summary: 'Remove services from the local agent, by id or as files list them',
  usage: '[FILE...]',
  flags: [flag('id', 'id', 'id of the instance'), ...API_FLAGS],
  run: async (args, context) => {
    const id = args.text('id')
    if (args.positionals.length === 0 && id === undefined) {
      throw new UsageError('Service deregistration requires at least one argument or -id.')
    }
    if (args.positionals.length > 0 && id !== undefined) {
      throw new UsageError('Service deregistration requires arguments or -id, not both.')
    }
    const ids = id === undefined ? (await fromFiles(args.positionals, context)).map(idOf) : [id]
    const client = new ApiClient(args, context)
    for (const one of ids) {
      await client.put(`/v1/agent/service/deregister/${encodeURIComponent(one)}`)
      context.stdout(`Deregistered service: ${one}\n`)
    }
    return 0
  },
}

function fromFlags(args: Arguments): JsonObject {
  const port = args.text('port')
  if (port !== undefined && !/^[0-9]{1,5}$/.test(port)) {
    throw new UsageError(`-port takes a number, got "${port}"`)
  }
  const optional: readonly (readonly [string, Json | undefined])[] = [
    ['ID', args.text('id')],
    ['Address', args.text('address')],
    ['Port', port === undefined ? undefined : Number(port)],
    ['SocketPath', args.text('socket')],
    ['Kind', args.text('kind')],
    ['Meta', args.has('meta') ? args.map('meta') : undefined],
    ['Tags', args.has('tag') ? args.list('tag') : undefined],
    ['TaggedAddresses', args.has('tagged-address') ? taggedAddresses(args) : undefined],
  ]
  const given = optional.flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return { Name: args.text('name') ?? '', ...Object.fromEntries(given) }
}

function taggedAddresses(args: Arguments): JsonObject {
  const entries = Object.entries(args.map('tagged-address')).map(([name, text]): [string, Json] => {
    const match = /^(.*):([0-9]{1,5})$/.exec(text)
    if (match === null) throw new UsageError(`-tagged-address takes name=ip:port, got "${text}"`)
    return [name, { Address: (match[1] ?? '').replace(/^\[|\]$/g, ''), Port: Number(match[2]) }]
  })
  return Object.fromEntries(entries)
}

async function fromFiles(
  paths: readonly string[],
  context: CliContext,
): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = []
  for (const path of paths) {
    found.push(...servicesOfFile(await readText(path, context), path))
  }
  if (found.length === 0) throw new UsageError('The files hold no service.')
  return found
}

function nameOf(service: JsonObject): string {
  return String(service['Name'] ?? service['name'] ?? '')
}

function idOf(service: JsonObject): string {
  return String(service['id'] ?? nameOf(service))
}
