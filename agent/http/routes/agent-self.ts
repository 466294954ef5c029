/**
 * /v1/agent: identity, members, host, and acts of the whole agent (http-api.md 9.1 to 9.5).
 */

import { FairleadError } from '../../../core/errors.ts'
import { MEMBER_SCHEMA } from '../../../core/filter/schemas.ts'
import type { Member } from '../../../core/membership.ts'
import type { ServerStatus } from '../../../core/rpc/server-api.ts'
import type { HttpCall } from '../call.ts'
import type { AgentContext } from '../context.ts'
import { filtered } from '../filter.ts'
import { goBoolean } from '../go-boolean.ts'
import { shownMembers } from '../local-rights.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { agentSelfJson, agentVersionJson } from '../wire/agent-self.ts'
import { hostJson } from '../wire/host.ts'
import { list } from '../wire/json.ts'
import { memberJson } from '../wire/member.ts'

export const AGENT_SELF_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/self',
    doc: 'Identity, configuration and figures of this agent',
    methods: { GET: self },
  },
  {
    path: '/v1/agent/host',
    doc: 'Memory, processors, disk and system of this host',
    methods: { GET: async ({ agent }) => jsonReply(await hostJson(agent)) },
  },
  {
    path: '/v1/agent/version',
    doc: 'Version that this agent speaks',
    methods: { GET: ({ agent }) => jsonReply(agentVersionJson(agent.build)) },
  },
  {
    path: '/v1/agent/members',
    doc: 'Members of the gossip pool',
    query: ['wan', 'segment', 'filter'],
    methods: { GET: members },
  },
  {
    path: '/v1/agent/maintenance',
    doc: 'Puts this node into maintenance or takes it out',
    query: ['enable', 'reason'],
    methods: { PUT: maintenance },
  },
  {
    path: '/v1/agent/leave',
    doc: 'Leaves the cluster and ends the agent; force: also when the cluster loses its quorum by it',
    query: ['force'],
    methods: { PUT: leave },
  },
  {
    path: '/v1/agent/reload',
    doc: 'Reads the configuration again',
    methods: { PUT: ({ agent }) => act('reload', agent.hooks.onReload) },
  },
]

async function self({ agent }: HttpCall): Promise<Reply> {
  return jsonReply(agentSelfJson(agent, await knownStatus(agent)))
}

/** An agent tells about itself also while no server answers. */
async function knownStatus(agent: AgentContext): Promise<ServerStatus | undefined> {
  try {
    return await agent.servers.status()
  } catch (thrown) {
    agent.log.debug('no server status for agent/self', { err: thrown })
    return undefined
  }
}

async function members(call: HttpCall): Promise<Reply> {
  const { agent, query } = call
  const isWan = query.get('wan') !== ''
  const segment = query.get('segment')
  if (isWan && segment !== '' && segment !== '_all') {
    return textReply(400, 'Cannot provide a segment with wan=true')
  }
  const seen = await shownMembers(call, agent.membership.members())
  const found = filtered<Member>(
    isWan ? wanMembers(agent, seen.values) : seen.values,
    query.get('filter'),
    { schema: MEMBER_SCHEMA, encode: memberJson },
  )
  return jsonReply(list(found, memberJson), seen.headers)
}

/** One datacentre: its pool across datacentres is its own servers, named `<node>.<dc>`. */
function wanMembers({ config }: AgentContext, members: readonly Member[]): readonly Member[] {
  return members
    .filter((member) => member.tags['role'] === 'consul')
    .map((member) => ({ ...member, name: `${member.name}.${config.datacenter}` }))
}

async function maintenance(call: HttpCall): Promise<Reply> {
  const enabled = enableOf(call)
  await call.agent.local.setNodeMaintenance(enabled, call.query.get('reason'))
  return emptyReply()
}

/** @throws FairleadError BAD_REQUEST */
export function enableOf(call: HttpCall): boolean {
  const given = call.query.get('enable')
  if (given === '') throw new FairleadError('BAD_REQUEST', 'Missing value for enable')
  const enabled = goBoolean(given)
  if (enabled !== undefined) return enabled
  throw new FairleadError('BAD_REQUEST', `Invalid value for enable: ${JSON.stringify(given)}`)
}

async function leave({ agent, query }: HttpCall): Promise<Reply> {
  const { onLeave } = agent.hooks
  const force = query.has('force') && goBoolean(query.get('force') || 'true') === true
  return act('leave', onLeave === undefined ? undefined : () => onLeave({ force }))
}

async function act(name: string, hook: (() => Promise<void>) | undefined): Promise<Reply> {
  if (hook === undefined) {
    throw new FairleadError(
      'NOT_SUPPORTED',
      `PUT /v1/agent/${name} is not supported by this version of Fairlead`,
    )
  }
  try {
    await hook()
  } catch (thrown) {
    if (thrown instanceof FairleadError) throw thrown
    // What was wrong with a configuration is for the caller to read.
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw new FairleadError('REJECTED', reason, { cause: thrown })
  }
  return emptyReply()
}
