/**
 * `fairlead services export` and `exported-services`: which services peers may use (cli.md section 4).
 *
 * Guarantees: an export keeps everything else that is exported, also what another writes meanwhile.
 */

import type { JsonObject } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type Arguments, type CommandSpec, flag, UsageError } from '../command.ts'
import { configEntryPath, requiredFlag } from '../config-entry-path.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface ExportedService extends JsonObject {
  readonly Name: string
  readonly Consumers: readonly JsonObject[]
}

interface ExportedServices extends JsonObject {
  readonly Services: readonly ExportedService[]
  readonly ModifyIndex: number
}

const KIND = 'exported-services'
/** Of the one entry of this kind. */
const NAME = 'default'

/** Writers that came between reading and writing. */
const ATTEMPTS_MAX = 10

export const exportCommand: CommandSpec = {
  summary: 'Let peers use a service',
  usage: '',
  flags: [
    flag('name', 'service', 'the service; required'),
    flag('consumer-peers', 'names', 'peers that may use it, separated by commas; required'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const service = requiredFlag(args, 'name')
    const peers = peersOf(args)
    const client = new ApiClient(args, context)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const former = await readExports(client)
      const answer = await client.put('/v1/config', {
        query: { cas: String(former?.ModifyIndex ?? 0) },
        body: JSON.stringify(withExport(former, service, peers)),
      })
      if (answer.text().trim() !== 'true') continue
      context.stdout(
        `Successfully exported service "${service}" to cluster peers "${peers.join(',')}"\n`,
      )
      return 0
    }
    throw new FairleadError(
      'BUSY',
      `The exported services changed ${ATTEMPTS_MAX} times while they were being written`,
      { facts: { hint: 'run it again' } },
    )
  },
}

interface ResolvedExport {
  readonly Service: string
  readonly Consumers: { readonly Peers?: readonly string[] }
}

export const exportedServicesCommand: CommandSpec = {
  summary: 'List the services that peers may use, wildcards resolved',
  usage: '',
  flags: [
    flag('filter', 'expression', 'only services that the expression selects'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get('/v1/exported-services', {
      query: { filter: args.text('filter') },
    })
    if (wantsJson) return printJson(context, answer.json())
    const found = answer.json() as readonly ResolvedExport[]
    if (found.length === 0) {
      context.stdout('No exported services found\n')
      return 0
    }
    const rows = found.map((one) => [one.Service, (one.Consumers.Peers ?? []).join(', ')])
    context.stdout(formatTable([['Service', 'Consumer Peers'], ...rows]))
    return 0
  },
}

function peersOf(args: Arguments): readonly string[] {
  const names = (args.text('consumer-peers') ?? '').split(',').map((name) => name.trim())
  const peers = [...new Set(names.filter((name) => name !== ''))]
  if (peers.length === 0) throw new UsageError('Missing the required -consumer-peers flag')
  return peers
}

async function readExports(client: ApiClient): Promise<ExportedServices | undefined> {
  const answer = await client.get(configEntryPath(KIND, NAME), { accept: [404] })
  return answer.status === 404 ? undefined : (answer.json() as ExportedServices)
}

function withExport(
  former: ExportedServices | undefined,
  service: string,
  peers: readonly string[],
): JsonObject {
  const services = former?.Services ?? []
  const before = services.find((one) => one.Name === service)
  const consumers = before?.Consumers ?? []
  const known = new Set(consumers.map((consumer) => consumer['Peer']))
  const added = peers.filter((peer) => !known.has(peer)).map((peer) => ({ Peer: peer }))
  const next: ExportedService = { ...before, Name: service, Consumers: [...consumers, ...added] }
  const all =
    before === undefined
      ? [...services, next]
      : services.map((one) => (one === before ? next : one))
  return { ...former, Kind: KIND, Name: NAME, Services: all }
}
