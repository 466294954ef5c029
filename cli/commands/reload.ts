/**
 * `fairlead reload`: the agent reads its configuration files again (cli.md section 7).
 */

import { API_FLAGS, ApiClient } from '../api-client.ts'
import type { CommandSpec } from '../command.ts'

export const reloadCommand: CommandSpec = {
  summary: 'Make the agent read its configuration again',
  usage: '',
  flags: API_FLAGS,
  run: async (args, context) => {
    await new ApiClient(args, context).put('/v1/agent/reload')
    context.stdout('Configuration reload triggered\n')
    return 0
  },
}
