/**
 * `fairlead config write` and `config delete` (cli.md section 8).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  flag,
  toggle,
  UsageError,
} from '../command.ts'
import { type ConfigEntryFile, configEntryOfFile } from '../config-entry-file.ts'
import { configEntryPath, requiredFlag } from '../config-entry-path.ts'
import { readText } from '../input.ts'

export const configWriteCommand: CommandSpec = {
  summary: 'Write a config entry from a JSON or HCL file, or - for standard input',
  usage: 'FILE|-',
  flags: [
    toggle('cas', 'write only if the entry is still at -modify-index'),
    flag('modify-index', 'index', 'index for -cas; 0: only if the entry does not exist'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [path, ...more] = args.positionals
    if (path === undefined || more.length > 0) {
      throw new UsageError('Must provide exactly one argument: the file of the config entry, or -')
    }
    const cas = casOf(args)
    const entry = await readEntry(path, context)
    const answer = await new ApiClient(args, context).put('/v1/config', {
      query: { cas },
      body: JSON.stringify(entry.body),
    })
    const title = `${entry.kind}/${entry.name}`
    if (answer.text().trim() !== 'true') {
      context.stderr(`Config entry not updated: ${title}\n`)
      return 1
    }
    context.stdout(`Config entry written: ${title}\n`)
    return 0
  },
}

export const configDeleteCommand: CommandSpec = {
  summary: 'Delete a config entry, named by flags or by its file',
  usage: '',
  flags: [
    flag('kind', 'kind', 'kind of the entry'),
    flag('name', 'name', 'name of the entry'),
    flag('filename', 'path', 'file of the entry, in place of -kind and -name'),
    toggle('cas', 'delete only if the entry is still at -modify-index'),
    flag('modify-index', 'index', 'index for -cas'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const cas = casOf(args)
    if (cas === '0') throw new UsageError('Cannot delete with -cas and no -modify-index above 0')
    const { kind, name } = await wanted(args, context)
    const answer = await new ApiClient(args, context).send(configEntryPath(kind, name), {
      method: 'DELETE',
      query: { cas },
    })
    if (cas !== undefined && answer.text().trim() !== 'true') {
      context.stderr(`Config entry not deleted: ${kind}/${name}\n`)
      return 1
    }
    context.stdout(`Config entry deleted: ${kind}/${name}\n`)
    return 0
  },
}

async function wanted(
  args: Arguments,
  context: CliContext,
): Promise<Pick<ConfigEntryFile, 'kind' | 'name'>> {
  const path = args.text('filename')
  if (path === undefined) {
    return { kind: requiredFlag(args, 'kind'), name: requiredFlag(args, 'name') }
  }
  if (args.has('kind') || args.has('name')) {
    throw new UsageError('-filename names the entry; it cannot be used with -kind or -name')
  }
  return await readEntry(path, context)
}

/** @returns the value of `cas`, undefined for a write at any index */
function casOf(args: Arguments): string | undefined {
  const index = args.text('modify-index')
  if (!args.bool('cas')) {
    if (index !== undefined) throw new UsageError('Cannot specify -modify-index without -cas!')
    return undefined
  }
  if (index !== undefined && !/^[0-9]{1,15}$/.test(index)) {
    throw new UsageError(`-modify-index takes a number, got "${index}"`)
  }
  return index ?? '0'
}

async function readEntry(path: string, context: CliContext): Promise<ConfigEntryFile> {
  return configEntryOfFile(await readText(path, context), path)
}
