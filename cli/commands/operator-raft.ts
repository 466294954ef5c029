/**
 * `fairlead operator raft`: list-peers, remove-peer, transfer-leader (cli.md section 10).
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, flag, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface PeerAnswer {
  readonly ID: string
  readonly Node: string
  readonly Address: string
  readonly Leader: boolean
  readonly ProtocolVersion: string
  readonly Voter: boolean
  readonly LastIndex: number
}

export const listPeersCommand: CommandSpec = {
  summary: 'List the servers that take part in Raft',
  usage: '',
  flags: [formatFlag, ...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/operator/raft/configuration')
    if (isJson(args)) return printJson(context, answer.json())
    const { Servers } = answer.json() as { readonly Servers: readonly PeerAnswer[] }
    const leaderIndex = Servers.find((server) => server.Leader)?.LastIndex
    const header = [
      'Node',
      'ID',
      'Address',
      'State',
      'Voter',
      'RaftProtocol',
      'Commit Index',
      'Trails Leader By',
    ]
    const rows = Servers.map((server) => [
      server.Node,
      server.ID,
      server.Address,
      server.Leader ? 'leader' : 'follower',
      String(server.Voter),
      server.ProtocolVersion,
      String(server.LastIndex),
      trailOf(server, leaderIndex),
    ])
    context.stdout(formatTable([header, ...rows]))
    return 0
  },
}

function trailOf(server: PeerAnswer, leaderIndex: number | undefined): string {
  if (server.Leader || leaderIndex === undefined) return '-'
  const behind = Math.max(0, leaderIndex - server.LastIndex)
  return behind === 1 ? '1 commit' : `${behind} commits`
}

export const removePeerCommand: CommandSpec = {
  summary: 'Take a server out of Raft',
  usage: '',
  flags: [
    flag('address', 'host:port', 'address of the server'),
    flag('id', 'id', 'id of the server'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const address = args.text('address') ?? ''
    const id = args.text('id') ?? ''
    if (address === '' && id === '') {
      throw new UsageError('An address or id is required for the peer to remove')
    }
    if (address !== '' && id !== '') {
      throw new UsageError('Only one of -address and -id may be given')
    }
    await new ApiClient(args, context).send('/v1/operator/raft/peer', {
      method: 'DELETE',
      query: id === '' ? { address } : { id },
    })
    const which = id === '' ? `address "${address}"` : `id "${id}"`
    context.stdout(`Removed peer with ${which}\n`)
    return 0
  },
}

export const transferLeaderCommand: CommandSpec = {
  summary: 'Hand leadership to another server',
  usage: '',
  flags: [
    flag('id', 'id', 'the server that is to lead (default: the most advanced healthy one)'),
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    await new ApiClient(args, context).send('/v1/operator/raft/transfer-leader', {
      method: 'POST',
      query: { id: args.text('id') },
    })
    context.stdout('Success\n')
    return 0
  },
}
