/**
 * `fairlead kv get` (cli.md section 5).
 */

import { formatPairs } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  toggle,
  UsageError,
} from '../command.ts'
import { type KvAnswer, kvAnswers, kvPath, normalKey } from '../kv-path.ts'

const NEW_LINE = Buffer.from('\n')

export const kvGetCommand: CommandSpec = {
  summary: 'Print the value of a key',
  usage: '[KEY]',
  flags: [
    toggle('base64', 'print values in base64'),
    toggle('detailed', 'print what else is known of the key'),
    toggle('keys', 'print the keys with this prefix'),
    toggle('recurse', 'print the keys with this prefix and their values'),
    flag('separator', 'text', 'with -keys: stop at this text (default: /)'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [given = '', ...more] = args.positionals
    if (more.length > 0)
      throw new UsageError(`Too many arguments (expected 1, got ${more.length + 1})`)
    const key = normalKey(given)
    const client = new ApiClient(args, context)
    if (args.bool('keys')) return await printKeys(client, key, args, context)
    if (args.bool('recurse')) return await printTree(client, key, args, context)
    if (key === '') throw new UsageError('Missing KEY argument')
    return await printOne(client, key, args, context)
  },
}

async function printKeys(
  client: ApiClient,
  prefix: string,
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const query = { keys: '', separator: args.text('separator') ?? '/' }
  const answer = await client.get(kvPath(prefix), { query, accept: [404] })
  const keys = answer.status === 404 ? [] : (answer.json() as readonly string[])
  for (const key of keys) context.stdout(`${key}\n`)
  return 0
}

async function printTree(
  client: ApiClient,
  prefix: string,
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const answer = await client.get(kvPath(prefix), { query: { recurse: '' }, accept: [404] })
  const entries = kvAnswers(answer)
  for (const [index, entry] of entries.entries()) {
    if (args.bool('detailed')) {
      context.stdout(`${index === 0 ? '' : '\n'}${detailed(entry, args.bool('base64'))}`)
    } else {
      context.stdout(`${entry.Key}:${valueText(entry, args.bool('base64'))}\n`)
    }
  }
  return 0
}

async function printOne(
  client: ApiClient,
  key: string,
  args: Arguments,
  context: CliContext,
): Promise<number> {
  const answer = await client.get(kvPath(key), { accept: [404] })
  const [entry] = kvAnswers(answer)
  if (entry === undefined) {
    context.stderr(`Error! No key exists at: ${key}\n`)
    return 1
  }
  const isBase64 = args.bool('base64')
  if (args.bool('detailed')) context.stdout(detailed(entry, isBase64))
  // As it is stored: a value need not be text.
  else if (isBase64) context.stdout(`${entry.Value ?? ''}\n`)
  else context.stdout(Buffer.concat([Buffer.from(entry.Value ?? '', 'base64'), NEW_LINE]))
  return 0
}

function valueText(entry: KvAnswer, isBase64: boolean): string {
  const encoded = entry.Value ?? ''
  return isBase64 ? encoded : Buffer.from(encoded, 'base64').toString()
}

function detailed(entry: KvAnswer, isBase64: boolean): string {
  return formatPairs([
    ['CreateIndex', String(entry.CreateIndex)],
    ['Flags', String(entry.Flags)],
    ['Key', entry.Key],
    ['LockIndex', String(entry.LockIndex)],
    ['ModifyIndex', String(entry.ModifyIndex)],
    ['Session', entry.Session === undefined || entry.Session === '' ? '-' : entry.Session],
    ['Value', valueText(entry, isBase64)],
  ])
}
