/**
 * `fairlead config read` and `config list` (cli.md section 8).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag } from '../command.ts'
import { configEntryPath, requiredFlag } from '../config-entry-path.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

export const configReadCommand: CommandSpec = {
  summary: 'Print a config entry as JSON',
  usage: '',
  flags: [
    flag('kind', 'kind', 'kind of the entry, such as service-defaults'),
    flag('name', 'name', 'name of the entry'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const path = configEntryPath(requiredFlag(args, 'kind'), requiredFlag(args, 'name'))
    const answer = await new ApiClient(args, context).get(path)
    context.stdout(`${JSON.stringify(answer.json(), undefined, '\t')}\n`)
    return 0
  },
}

export const configListCommand: CommandSpec = {
  summary: 'List the names of the config entries of a kind',
  usage: '',
  flags: [
    flag('kind', 'kind', 'kind of the entries'),
    flag('filter', 'expression', 'only entries that the expression selects'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const kind = requiredFlag(args, 'kind')
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get(
      `/v1/config/${encodeURIComponent(kind)}`,
      { query: { filter: args.text('filter') } },
    )
    if (wantsJson) return printJson(context, answer.json())
    for (const { Name } of answer.json() as readonly { readonly Name: string }[]) {
      context.stdout(`${Name}\n`)
    }
    return 0
  },
}
