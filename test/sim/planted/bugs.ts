/**
 * Classic bugs of consensus, each a small change of the source text (verification 14).
 *
 * A bug is planted into a copy, never into what ships: nothing in the product knows of it. `seeds` is its
 * budget: the simulator has to find it within so many seeds, or the suite has a blind spot. Numbers are
 * those of the specification's list. Bounds: every `from` occurs exactly once in its file.
 */

import { LATE_LEASES, LONG_TAILS, TURNCOATS, UNREST } from './focuses.ts'

export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface PlantedBug {
  readonly name: string
  /** In the list of verification, section 14. */
  readonly number: number
  readonly edits: readonly Edit[]
  readonly seeds: number
  /** Of the safety phase of each seed, where fewer or more than usual do. */
  readonly steps?: number
  /** What the seeds are told to draw, where the bug needs a feature that few seeds have. */
  readonly focus?: Readonly<Record<string, unknown>>
}

function bug(number: number, name: string, seeds: number, ...edits: Edit[]): PlantedBug {
  return { number, name, seeds, edits }
}

function edit(file: string, from: string, to: string): Edit {
  return { file, from, to }
}

/** Legal by itself (LEGAL_CHANGES). */
const PROBES_TOO_LOW = edit(
  'core/raft/progress.ts',
  'Math.min(rejectedIndex, candidate))',
  'Math.min(rejectedIndex, candidate) - 3)',
)

const ALWAYS = 100
const OFTEN = 400
const SELDOM = 1_500
/** Too long for a run of CI: `npm run planted` only. */
export const RARELY = 4_000

export const PLANTED_BUGS: readonly PlantedBug[] = [
  bug(
    1,
    'a vote is not persisted',
    ALWAYS,
    edit(
      'core/raft/output.ts',
      'handedOut.term !== term || handedOut.vote !== vote',
      'handedOut.term !== term',
    ),
  ),
  bug(
    2,
    'a term is not persisted',
    ALWAYS,
    edit(
      'core/raft/output.ts',
      'handedOut.term !== term || handedOut.vote !== vote',
      'handedOut.vote !== vote',
    ),
  ),
  bug(
    3,
    'a follower acknowledges before its disk has synced',
    ALWAYS,
    edit(
      'core/raft/following.ts',
      "state.outbox.messagesAfterAppend.push({\n    kind: 'append-ack'",
      "state.outbox.messages.push({\n    kind: 'append-ack'",
    ),
  ),
  bug(
    3,
    'the host releases what has to wait for the disk',
    ALWAYS,
    edit('server/raft/append-pipeline.ts', 'if (held.afterToken > this.#durable) break', ''),
  ),
  bug(
    4,
    'an entry of an earlier term is committed by counting',
    OFTEN,
    edit('core/raft/commit.ts', 'if (state.log.term(matched) !== state.term) {', 'if (false) {'),
  ),
  bug(
    5,
    'a conflicting suffix is not truncated',
    OFTEN,
    edit(
      'core/raft/following.ts',
      'if (log.term(entry.index) !== entry.term) break',
      'if (log.term(entry.index) === undefined) break',
    ),
    edit('core/raft/following.ts', 'if (log.chain(entry.index) !== entry.chain) {', 'if (false) {'),
    edit(
      'core/raft/following.ts',
      'if (state.log.chain(message.prevIndex) !== message.prevChain) {',
      'if (false) {',
    ),
  ),
  bug(
    6,
    'every append truncates, even if the entries match',
    OFTEN,
    edit(
      'core/raft/following.ts',
      'const known = countKnown(state, message.entries)',
      'const known = countKnown(state, []) ',
    ),
  ),
  {
    focus: LONG_TAILS,
    ...bug(
      8,
      'votes compare the length of logs only',
      OFTEN,
      edit(
        'core/raft/raft-log.ts',
        'return term > last.term || (term === last.term && index >= last.index)',
        'return index >= last.index || term < 0',
      ),
    ),
  },
  bug(
    9,
    'a restarted server may vote again',
    OFTEN,
    edit('core/raft/initial-state.ts', 'vote: hardState.vote,', 'vote: null,'),
  ),
  bug(
    10,
    'learners count for commit',
    OFTEN,
    edit(
      'core/raft/commit.ts',
      'quorumValue(state.configs.active, (id) =>',
      'quorumValue({ incoming: state.configs.active.addresses.map((m) => m.id), outgoing: [] }, (id) =>',
    ),
  ),
  bug(
    12,
    'a configuration stays when its entry is truncated',
    SELDOM,
    edit(
      'core/raft/following.ts',
      "if (state.configs.truncateFrom(first.index)) state.mark('append.config.rolled-back')",
      '',
    ),
  ),
  bug(
    13,
    'members change before anything of the term is committed',
    SELDOM,
    edit(
      'core/raft/membership.ts',
      "if (state.commit < role.noopIndex) {\n    state.mark('config.refused.noop')",
      "if (false) {\n    state.mark('config.refused.noop')",
    ),
    edit(
      'core/raft/membership.ts',
      'if (state.configs.activeIndex > state.commit) {',
      'if (state.configs.activeIndex > state.commit && state.commit >= role.noopIndex) {',
    ),
  ),
  bug(
    14,
    'a joint phase decides by one majority',
    OFTEN,
    edit(
      'core/raft/quorum.ts',
      'if (configuration.outgoing.length === 0) return incoming',
      'if (configuration.outgoing.length >= 0) return incoming',
    ),
  ),
  bug(
    16,
    'a new leader reads before it has committed',
    OFTEN,
    edit(
      'core/raft/read-index.ts',
      "if (state.commit < role.noopIndex) {\n    state.mark('read.parked')",
      "if (false) {\n    state.mark('read.parked')",
    ),
  ),
  {
    focus: UNREST,
    ...bug(
      17,
      'reads are confirmed without a quorum',
      OFTEN,
      edit(
        'core/raft/read-index.ts',
        'if (isSoleVoter(state.configs.active, state.id)) {\n    for',
        'if (state.configs.active.incoming.length > 0) {\n    for',
      ),
    ),
  },
  {
    focus: {
      ...LONG_TAILS,
      clients: 12,
      thinkMean: 50_000,
      network: {
        delayMin: 0,
        delayMean: 5_000,
        hasHeavyTail: false,
        loss: 0.05,
        burst: null,
        duplication: 0.3,
        reorders: true,
        replay: 0.2,
      },
    },
    ...bug(
      23,
      'an answer of an earlier term moves match',
      RARELY,
      edit(
        'core/raft/receive.ts',
        'else if (message.term < state.term) {',
        "else if (message.term < state.term && message.kind !== 'append-ack') {",
      ),
    ),
  },
  {
    focus: { ...UNREST, snapshotThreshold: 10, trailing: 3, hasCourtesy: false },
    ...bug(
      26,
      'an image drops a suffix that matches',
      OFTEN,
      edit(
        'core/raft/images.ts',
        'if (state.log.term(index) !== term) return false',
        'if (state.log.term(index) !== term || index >= 0) return false',
      ),
    ),
  },
  bug(
    27,
    'the configuration of an image is ignored',
    OFTEN,
    edit(
      'core/raft/images.ts',
      'state.configs.replaceWith({ index: configurationIndex, configuration })',
      'void [configurationIndex, configuration]',
    ),
  ),
  bug(
    28,
    'the log is shortened beyond the image',
    ALWAYS,
    edit(
      'server/raft/compaction.ts',
      'let anchor = Math.min(snapshotIndex, input.lastIndex)',
      'let anchor = Math.min(snapshotIndex + 1, input.lastIndex)',
    ),
    edit(
      'core/raft/completions.ts',
      "assert(index <= snapshot.index, 'compaction stays below the snapshot')",
      '',
    ),
  ),
  {
    focus: {
      ...UNREST,
      disk: {
        writeMean: 20_000,
        stallChance: 0.02,
        stallMean: 200_000,
        hasWriteErrors: false,
        hasHangs: false,
        hasDamage: false,
      },
    },
    ...bug(
      29,
      'a completed write proves what has replaced it since',
      OFTEN,
      edit(
        'core/raft/append-tracker.ts',
        'for (const job of this.#inFlight) job.proves = Math.min(job.proves, kept)',
        '',
      ),
    ),
  },
  bug(
    30,
    'entries below an image are applied again after a restart',
    ALWAYS,
    edit(
      'core/raft/initial-state.ts',
      'const applied = logIndex(snapshot?.index ?? anchor.index)',
      'const applied = logIndex(anchor.index)',
    ),
  ),
  bug(
    31,
    'a full window whose messages are lost stays shut',
    OFTEN,
    edit('core/raft/replication.ts', 'evenIfEmpty: isFirstOfTick', 'evenIfEmpty: false'),
  ),
  bug(
    33,
    'proposals are taken during a handover',
    OFTEN,
    edit(
      'core/raft/leader.ts',
      "if (role.transfer !== null) {\n    state.mark('transfer.proposal-refused')",
      "if (false) {\n    state.mark('transfer.proposal-refused')",
    ),
  ),
  bug(
    36,
    'the window of requests is not restored from an image',
    SELDOM,
    edit('core/catalog/state-store.ts', '    this.#requests = requests\n', '    void requests\n'),
  ),
  {
    steps: 1_000,
    focus: { ...UNREST, nemesisMean: 80_000, stateMachine: 'store', retries: true, clients: 16 },
    ...bug(
      37,
      'requests before the first stamp are forgotten at once',
      SELDOM,
      edit(
        'core/catalog/request-window.ts',
        'if (this.#seenAt === 0 && now > 0) this.#beginTime(now)',
        'if (this.#seenAt < 0) this.#beginTime(now)',
      ),
    ),
  },
  bug(
    39,
    'a damaged tail is taken for the end of the log',
    SELDOM,
    edit(
      'core/raft/initial-state.ts',
      'const isWhole = damagedTo === null',
      'const isWhole = damagedTo === null || damagedTo >= 0',
    ),
  ),
  bug(
    40,
    'a server that lost entries votes',
    OFTEN,
    edit(
      'core/raft/election.ts',
      'const granted = isFree && isUpToDate && state.recovery === null',
      'const granted = isFree && isUpToDate',
    ),
  ),
  bug(
    41,
    'half of an even number is a quorum',
    OFTEN,
    edit(
      'core/raft/quorum.ts',
      'return Math.floor(count / 2) + 1',
      'return Math.max(1, Math.ceil(count / 2))',
    ),
  ),
  bug(
    50,
    'a new member is never sent to',
    OFTEN,
    edit(
      'core/raft/membership.ts',
      '  alignProgress(state, role, { heardAt: state.now })\n',
      '  void alignProgress\n',
    ),
  ),
  bug(
    51,
    'the end of a session leaves its locks',
    OFTEN,
    edit(
      'core/catalog/sessions.ts',
      "for (const key of next.locks.valuesUnder(pairKey(id, ''))) endLock(draft, key, session)",
      'void [next.locks, endLock]',
    ),
  ),
  bug(
    53,
    'compare and set looks whether the key exists only',
    ALWAYS,
    edit(
      'core/catalog/kv.ts',
      "if ((existing?.modifyIndex ?? 0) !== op.index) return missed('stale')",
      "if ((existing === undefined) !== (op.index === 0)) return missed('stale')",
    ),
  ),
  {
    focus: LATE_LEASES,
    ...bug(
      19,
      'a lease counts from the arrival of the answer',
      RARELY,
      edit('core/raft/replication.ts', 'role.lease.sentAt(message.leaseSeq)', 'state.now'),
    ),
  },
  {
    focus: TURNCOATS,
    ...bug(
      20,
      'a restarted server votes inside the lease',
      OFTEN,
      edit(
        'core/raft/initial-state.ts',
        'graceTicks: resolved.startGrace ? resolved.electionTicks : 0,',
        'graceTicks: 0,',
      ),
    ),
  },
  {
    focus: { ...UNREST, messageBytesMax: 1, inflightMessagesMax: 1 },
    ...bug(
      7,
      'a follower commits up to the end of its log, and the leader probes too low',
      OFTEN,
      edit(
        'core/raft/following.ts',
        'Math.min(message.leaderCommit, matched)',
        'Math.min(message.leaderCommit, state.log.lastIndex)',
      ),
      PROBES_TOO_LOW,
    ),
  },
]

/**
 * Changes that are legal: the simulator must find nothing. They go with a bug that our core hides otherwise.
 *
 * Bug 7 alone has no effect here. The leader's first append that a follower takes begins exactly where their
 * logs part, as the hints of both sides never overshoot, and it carries an entry; so whatever else the
 * follower has is cut before a commit index beyond the message can reach it. A leader that probes some entries
 * lower is as correct, and slower.
 */
export const LEGAL_CHANGES: readonly PlantedBug[] = [
  {
    focus: { ...UNREST, messageBytesMax: 1, inflightMessagesMax: 1 },
    ...bug(0, 'the leader probes too low', 30, PROBES_TOO_LOW),
  },
]
