/**
 * Metrics of Raft on one server, and of the snapshots of its state.
 */

import { counter, gauge, sample } from '../definition.ts'

export const RAFT_METRICS = {
  apply: counter('raft.apply', 'Writes that this server appended to the log as leader'),
  commitTime: sample(
    'raft.commitTime',
    'From appending a batch to the log as leader until it is committed',
  ),
  dispatchLog: sample('raft.leader.dispatchLog', 'Writing a batch to the disk of the leader'),
  storeLogs: sample(
    'raft.rpc.appendEntries.storeLogs',
    'Writing a batch to the disk of a follower',
  ),
  leaderLastContact: sample(
    'raft.leader.lastContact',
    'Since each follower was heard last, looked at by the leader twice a second',
  ),
  candidate: counter('raft.state.candidate', 'Elections that this server began'),
  leader: counter('raft.state.leader', 'Times that this server became leader'),
  follower: counter('raft.state.follower', 'Times that this server became a follower'),
  stall: counter(
    'raft.stall',
    'Times that the process stood still for longer than its ticks allow',
  ),
  fsmApply: sample('raft.fsm.apply', 'Applying committed entries, one slice of them each'),
  commitNumLogs: gauge('raft.commitNumLogs', 'Entries that were applied together last'),
  takeSnapshot: sample(
    'raft.snapshot.takeSnapshot',
    'Taking a snapshot, until the log is shortened',
  ),
  fsmRestore: sample('raft.fsm.restore', 'Restoring the state from an image'),
  lastRestoreDuration: gauge(
    'raft.fsm.lastRestoreDuration',
    'Milliseconds that restoring the state from an image took last',
  ),
  peers: gauge('raft.peers', 'Servers in the configuration of Raft'),
  term: gauge('raft.term', 'The term of Raft'),
  lastIndex: gauge('raft.last_index', 'Index of the last entry of the log'),
  commitIndex: gauge('raft.commit_index', 'Index up to which the log is committed'),
  appliedIndex: gauge('raft.applied_index', 'Index up to which the log is applied'),
  isLeader: gauge('server.isLeader', '1 on the leader, 0 on other servers'),
} as const
