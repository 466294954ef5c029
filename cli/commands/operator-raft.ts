/**
 * `fairlead operator raft list-peers` (cli.md section 10).
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import type { CommandSpec } from '../command.ts'

interface PeerAnswer {
  readonly ID: string
  readonly Node: string
  readonly Address: string
  readonly Leader: boolean
  readonly Voter: boolean
  readonly ProtocolVersion: string
  readonly LastIndex?: number
}

export const raftListPeersCommand: CommandSpec = {
  summary: 'List the servers and their roles in Raft',
  usage: '',
  flags: [...SERVER_FLAGS, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/operator/raft/configuration')
    const { Servers } = answer.json() as { Servers: readonly PeerAnswer[] }
    const leaderIndex = Servers.find((peer) => peer.Leader)?.LastIndex ?? 0
    const rows = Servers.map((peer) => [
      peer.Node,
      peer.ID,
      peer.Address,
      peer.Leader ? 'leader' : 'follower',
      String(peer.Voter),
      peer.ProtocolVersion,
      String(peer.LastIndex ?? 0),
      peer.Leader ? '-' : `${leaderIndex - (peer.LastIndex ?? 0)} commits`,
    ])
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
    context.stdout(formatTable([header, ...rows]))
    return 0
  },
}
