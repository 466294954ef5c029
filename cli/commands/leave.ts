/**
 * `fairlead leave`: the agent leaves the cluster gracefully and stops (cli.md section 3).
 */

import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, toggle } from '../command.ts'

export const leaveCommand: CommandSpec = {
  summary: 'Make the agent leave the cluster and stop',
  usage: '',
  flags: [...API_FLAGS, toggle('force', 'leave also when the cluster loses its quorum by it')],
  run: async (args, context) => {
    await new ApiClient(args, context).put(`/v1/agent/leave${args.bool('force') ? '?force' : ''}`)
    context.stdout('Graceful leave complete\n')
    return 0
  },
}
