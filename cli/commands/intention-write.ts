/**
 * `fairlead intention create` and `delete` (cli.md section 8).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  listFlag,
  toggle,
  UsageError,
} from '../command.ts'
import { readNamedFile } from '../input.ts'
import { readIntention } from '../intentions.ts'

interface NewIntention {
  readonly SourceName: string
  readonly DestinationName: string
  readonly Action?: string
  readonly Permissions?: readonly unknown[]
  readonly Description?: string
  readonly Meta?: Readonly<Record<string, string>>
}

export const intentionCreateCommand: CommandSpec = {
  summary: 'Create an intention: SRC may (or may not) call DST',
  usage: 'SRC DST | FILE...',
  flags: [
    toggle('allow', 'allow the call (default)'),
    toggle('deny', 'deny the call'),
    toggle('file', 'the arguments are JSON files with one intention each'),
    listFlag('meta', 'name=value', 'a note; repeatable'),
    toggle('replace', 'replace an intention that exists'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const intentions = await wanted(args, context)
    const client = new ApiClient(args, context)
    for (const intention of intentions) {
      const query = { source: intention.SourceName, destination: intention.DestinationName }
      const name = `${intention.SourceName} => ${intention.DestinationName}`
      if (!args.bool('replace')) {
        const existing = await client.get('/v1/connect/intentions/exact', { query, accept: [404] })
        if (existing.status === 200) {
          context.stderr(`Error creating intention ${name}: it exists; use -replace to change it\n`)
          return 1
        }
      }
      const { SourceName, DestinationName, ...body } = intention
      await client.put('/v1/connect/intentions/exact', { query, body: JSON.stringify(body) })
      const action = intention.Action ?? `${intention.Permissions?.length ?? 0} permissions`
      context.stdout(`Created: ${name} (${action})\n`)
    }
    return 0
  },
}

export const intentionDeleteCommand: CommandSpec = {
  summary: 'Delete an intention',
  usage: 'SRC DST | ID',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const client = new ApiClient(args, context)
    const found = await readIntention(client, args.positionals)
    await client.send('/v1/connect/intentions/exact', {
      method: 'DELETE',
      query: { source: found.SourceName, destination: found.DestinationName },
    })
    context.stdout('Intention deleted.\n')
    return 0
  },
}

async function wanted(args: Arguments, context: CliContext): Promise<readonly NewIntention[]> {
  if (args.bool('allow') && args.bool('deny')) {
    throw new UsageError('Only one of -allow or -deny may be specified.')
  }
  if (args.bool('file')) {
    const texts = await Promise.all(args.positionals.map((path) => readNamedFile(path, context)))
    return texts.map((bytes, index) => parseIntention(bytes, args.positionals[index] ?? ''))
  }
  const [source, destination, ...more] = args.positionals
  if (source === undefined || destination === undefined || more.length > 0) {
    throw new UsageError('Must specify two arguments: source and destination')
  }
  return [
    {
      SourceName: source,
      DestinationName: destination,
      Action: args.bool('deny') ? 'deny' : 'allow',
      Meta: args.map('meta'),
    },
  ]
}

function parseIntention(bytes: Uint8Array, path: string): NewIntention {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString())
  } catch (err) {
    throw new UsageError(`Error parsing "${path}": ${(err as Error).message}`)
  }
  const intention = parsed as NewIntention
  if (typeof intention?.SourceName !== 'string' || typeof intention.DestinationName !== 'string') {
    throw new UsageError(`Error parsing "${path}": SourceName and DestinationName must be texts`)
  }
  return intention
}
