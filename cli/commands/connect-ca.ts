/**
 * `fairlead connect ca get-config` and `set-config` (cli.md section 8).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { readText } from '../input.ts'

const PATH = '/v1/connect/ca/configuration'

export const caGetConfigCommand: CommandSpec = {
  summary: 'Print the configuration of the certificate authority as JSON',
  usage: '',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get(PATH)
    context.stdout(`${JSON.stringify(answer.json(), undefined, '\t')}\n`)
    return 0
  },
}

export const caSetConfigCommand: CommandSpec = {
  summary: 'Change the configuration of the certificate authority',
  usage: '',
  flags: [
    flag(
      'config-file',
      'path',
      'JSON file with Provider and Config; - for standard input; required',
    ),
    toggle(
      'force-without-cross-signing',
      'replace the root even if the old one cannot sign the new',
    ),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const path = args.text('config-file')
    if (path === undefined) {
      throw new UsageError('The -config-file flag is required')
    }
    const config = parseConfig(await readText(path, context))
    const isForced = args.bool('force-without-cross-signing')
    const body = { ...config, ...(isForced ? { ForceWithoutCrossSigning: true } : {}) }
    await new ApiClient(args, context).put(PATH, { body: JSON.stringify(body) })
    context.stdout('Configuration updated!\n')
    return 0
  },
}

/** @throws UsageError */
function parseConfig(text: string): object {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (err) {
    throw new UsageError(`Error parsing config file: ${(err as Error).message}`)
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  throw new UsageError('Error parsing config file: expected an object with Provider and Config')
}
