/**
 * `fairlead kv export` and `fairlead kv import`: keys as a JSON array (cli.md section 5).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'
import { readData } from '../input.ts'
import { type KvAnswer, kvAnswers, kvPath, normalKey, parseWithFlags } from '../kv-path.ts'

interface Exported {
  readonly key: string
  readonly flags: bigint
  readonly value: string
}

export const kvExportCommand: CommandSpec = {
  summary: 'Print the keys with a prefix as JSON',
  usage: '[PREFIX]',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const prefix = normalKey(args.positionals[0] ?? '')
    const client = new ApiClient(args, context)
    const answer = await client.get(kvPath(prefix), { query: { recurse: '' }, accept: [404] })
    const texts = kvAnswers(answer).map(exportText)
    context.stdout(texts.length === 0 ? '[]\n' : `[\n${texts.join(',\n')}\n]\n`)
    return 0
  },
}

export const kvImportCommand: CommandSpec = {
  summary: 'Write keys from JSON; DATA may be @file or - for standard input',
  usage: 'DATA',
  flags: [flag('prefix', 'prefix', 'put in front of every key'), ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const [data] = args.positionals
    if (data === undefined) throw new UsageError('Missing DATA argument')
    const entries = parseExport(Buffer.from(await readData(data, context)).toString())
    const client = new ApiClient(args, context)
    const prefix = normalKey(args.text('prefix') ?? '')
    for (const entry of entries) {
      const key = `${prefix}${entry.key}`
      const answer = await client.put(kvPath(key), {
        body: Buffer.from(entry.value, 'base64'),
        query: { flags: String(entry.flags) },
      })
      if (answer.text().trim() !== 'true') {
        context.stderr(`Error! Did not import ${key}\n`)
        return 1
      }
      context.stdout(`Imported: ${key}\n`)
    }
    return 0
  },
}

/** Written by hand, as flags of 64 bits have no number. */
function exportText({ Key, Flags, Value }: KvAnswer): string {
  const pairs = [
    `"key": ${JSON.stringify(Key)}`,
    `"flags": ${Flags}`,
    `"value": ${JSON.stringify(Value ?? '')}`,
  ]
  return `\t{\n\t\t${pairs.join(',\n\t\t')}\n\t}`
}

/** Everything is checked before the first key is written. */
function parseExport(text: string): readonly Exported[] {
  let parsed: unknown
  try {
    parsed = parseWithFlags(text, 'flags')
  } catch (err) {
    throw new UsageError(`Cannot unmarshal data: ${(err as Error).message}`)
  }
  if (!Array.isArray(parsed)) throw new UsageError('Cannot unmarshal data: not a JSON array')
  return parsed.map((item: unknown, index) => {
    const { key, flags = 0n, value = '' } = (item ?? {}) as Partial<Exported>
    if (typeof key !== 'string' || typeof flags !== 'bigint' || typeof value !== 'string') {
      throw new UsageError(
        `Cannot unmarshal data: element ${index} is not {"key", "flags", "value"}`,
      )
    }
    return { key, flags, value }
  })
}
