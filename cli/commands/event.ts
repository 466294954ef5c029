/**
 * `fairlead event`: fires an event for the agents of the cluster (cli.md section 6).
 */

import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'

export const eventCommand: CommandSpec = {
  summary: 'Fire an event for the agents of the cluster',
  usage: '[PAYLOAD]',
  flags: [
    flag('name', 'name', 'what agents and watches know the event by; required'),
    flag('node', 'regexp', 'only for agents whose node name fits'),
    flag('service', 'regexp', 'only for agents with a service whose name fits'),
    flag('tag', 'regexp', 'only for agents with such a service and a tag of it that fits'),
    ...SERVER_FLAGS.filter(({ name }) => name === 'datacenter'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const name = args.text('name') ?? ''
    if (name === '') throw new UsageError('Event name must be specified')
    const filters = {
      node: args.text('node'),
      service: args.text('service'),
      tag: args.text('tag'),
    }
    if (filters.tag !== undefined && filters.service === undefined) {
      throw new UsageError('Cannot provide tag filter without service filter.')
    }
    const [payload, ...more] = args.positionals
    if (more.length > 0) {
      throw new UsageError(`Too many arguments (expected 1 or 0, got ${args.positionals.length})`)
    }
    const answer = await new ApiClient(args, context).put(
      `/v1/event/fire/${encodeURIComponent(name)}`,
      { query: filters, body: payload ?? '' },
    )
    const { ID: id } = answer.json() as { readonly ID: string }
    context.stdout(`Event ID: ${id}\n`)
    return 0
  },
}
