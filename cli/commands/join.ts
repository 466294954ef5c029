/**
 * `fairlead join` and `fairlead force-leave`: the pool of members, changed by hand (cli.md section 3).
 */

import { toFairleadError } from '../../core/errors.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, toggle, UsageError } from '../command.ts'

export const joinCommand: CommandSpec = {
  summary: 'Make the agent join the cluster of other agents',
  usage: 'ADDRESS...',
  flags: [toggle('wan', 'join the pool of servers of all datacenters'), ...API_FLAGS],
  run: async (args, context) => {
    if (args.positionals.length === 0) {
      throw new UsageError('At least one address to join must be specified.')
    }
    const client = new ApiClient(args, context)
    let joined = 0
    for (const address of args.positionals) {
      try {
        await client.put(`/v1/agent/join/${encodeURIComponent(address)}`, {
          query: { wan: args.bool('wan') ? '1' : undefined },
        })
        joined += 1
      } catch (err) {
        context.stderr(`Error joining address '${address}': ${toFairleadError(err).message}\n`)
      }
    }
    if (joined === 0) {
      context.stderr('Failed to join any nodes.\n')
      return 1
    }
    context.stdout(`Successfully joined cluster by contacting ${joined} nodes.\n`)
    return 0
  },
}

export const forceLeaveCommand: CommandSpec = {
  summary: 'Declare a failed member left',
  usage: 'NODE',
  flags: [
    toggle('prune', 'forget it at once'),
    toggle('wan', 'in the pool of servers of all datacenters'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [node, ...more] = args.positionals
    if (node === undefined || more.length > 0) {
      throw new UsageError('A single node name must be specified to force leave.')
    }
    await new ApiClient(args, context).put(`/v1/agent/force-leave/${encodeURIComponent(node)}`, {
      query: {
        prune: args.bool('prune') ? '' : undefined,
        wan: args.bool('wan') ? '' : undefined,
      },
    })
    return 0
  },
}
