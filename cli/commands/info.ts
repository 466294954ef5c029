/**
 * `fairlead info`: what the agent knows about itself, section by section (cli.md section 7).
 */

import { API_FLAGS, ApiClient } from '../api-client.ts'
import type { CommandSpec } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

type Section = Readonly<Record<string, unknown>>

export const infoCommand: CommandSpec = {
  summary: 'Show what the agent knows about itself',
  usage: '',
  flags: [formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const wantsJson = isJson(args)
    const answer = await new ApiClient(args, context).get('/v1/agent/self')
    const { Stats } = answer.json() as { Stats?: Readonly<Record<string, Section>> }
    if (wantsJson) return printJson(context, Stats ?? {})
    for (const [name, section] of Object.entries(Stats ?? {}).sort()) {
      context.stdout(`${name}:\n`)
      for (const [key, value] of Object.entries(section).sort()) {
        context.stdout(`\t${key} = ${String(value)}\n`)
      }
    }
    return 0
  },
}
