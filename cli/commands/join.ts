/**
 * `fairlead join` and `fairlead force-leave`: the pool of members, changed by hand (cli.md section 3), and the way in by a
 * join token.
 */

import { toFairleadError } from '../../core/errors.ts'
import { isJoinTicket } from '../../core/join/join-token.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, toggle, UsageError } from '../command.ts'
import { HOST_FLAGS } from '../join/host-choices.ts'

export const joinCommand: CommandSpec = {
  summary: 'Make this host a member by a join token, or the agent join the cluster of others',
  usage: 'TOKEN | - | ADDRESS...',
  flags: [
    toggle('wan', 'join the pool of servers of all datacenters'),
    toggle('start', 'with a token: start the service of this host then (systemctl)'),
    ...HOST_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    if (args.positionals.length === 0) {
      throw new UsageError('At least one address to join must be specified.')
    }
    const [first = ''] = args.positionals
    // From standard input it is in nobody's list of processes.
    const token = first === '-' ? Buffer.from(await context.readStdin()).toString() : first
    if (args.positionals.length === 1 && isJoinTicket(token.trim())) {
      const { joinByToken } = await import('../join/join-cluster.ts')
      return await joinByToken(token, args, context)
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
