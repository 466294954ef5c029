/**
 * `fairlead proxy`: the mesh proxy of this host, started by the agent (hidden from help).
 */

import { type CommandSpec, flag, UsageError } from '../command.ts'

export const proxyCommand: CommandSpec = {
  summary: 'The mesh proxy of this host; started by the agent',
  usage: '',
  flags: [flag('control', 'path', 'Unix socket on which the agent controls the proxy')],
  run: async (args) => {
    const socketPath = args.text('control')
    if (socketPath === undefined) throw new UsageError('-control is required')
    const { runProxy } = await import('../../proxy/main.ts')
    return await runProxy({ socketPath })
  },
}
