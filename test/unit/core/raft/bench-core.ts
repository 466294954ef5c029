/**
 * A core on a work bench: inputs by hand, a disk that completes at once or when told to.
 */

import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import { encodeConfiguration, votersOnly } from '../../../../core/raft/configuration.ts'
import type { RaftMessage } from '../../../../core/raft/messages.ts'
import { RaftCore } from '../../../../core/raft/raft-core.ts'
import type {
  AppendJob,
  AppendToken,
  Batch,
  Entry,
  InputOutcome,
  LogPosition,
  PersistedState,
  RaftInput,
  RaftOptions,
  ReadState,
  ServerId,
} from '../../../../core/raft/types.ts'
import { logIndex, serverId, term } from '../../../../core/raft/types.ts'
import { seededRng } from '../../../../core/rng.ts'

export const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }
export const A = serverId('a')
export const B = serverId('b')
export const C = serverId('c')

/** Entries with these terms after `after`; the first is the configuration when there is nothing before. */
export function makeLog(
  terms: readonly number[],
  options: { readonly voters?: readonly ServerId[]; readonly after?: LogPosition } = {},
): Entry[] {
  let last = options.after ?? ORIGIN
  const out: Entry[] = []
  for (const t of terms) {
    const isFirst = last.index === 0
    const members = (options.voters ?? [A, B, C]).map((id) => ({ id, address: `${id}:1` }))
    const entry = chainedEntry(last.chain, {
      index: logIndex(last.index + 1),
      term: term(t),
      type: isFirst ? 'config' : 'normal',
      data: isFirst
        ? encodeConfiguration(votersOnly(members))
        : Buffer.from(`entry ${last.index + 1} of ${t}`),
    })
    out.push(entry)
    last = entry
  }
  return out
}

/** To A. */
export function heartbeat(from: ServerId, ofTerm: number, commit = 0) {
  return {
    kind: 'heartbeat',
    from,
    to: A,
    term: term(ofTerm),
    commit: logIndex(commit),
    readSeq: 0,
    leaseSeq: 0,
  } as const
}

/** To A. */
export function heartbeatAck(from: ServerId, ofTerm: number, readSeq = 0) {
  return {
    kind: 'heartbeat-ack',
    from,
    to: A,
    term: term(ofTerm),
    readSeq,
    leaseSeq: 0,
    isRecovering: false,
  } as const
}

export function persistedLog(
  entries: readonly Entry[],
  hardState: { readonly term?: number; readonly vote?: ServerId; readonly commit?: number } = {},
): PersistedState {
  return {
    hardState: {
      term: term(hardState.term ?? entries.at(-1)?.term ?? 0),
      vote: hardState.vote ?? null,
      commit: logIndex(hardState.commit ?? 0),
    },
    snapshot: null,
    anchor: ORIGIN,
    entries,
    damagedTo: null,
  }
}

export interface BenchOptions extends Partial<RaftOptions> {
  readonly persisted?: PersistedState
  readonly voters?: readonly ServerId[]
  readonly seed?: number
  /** Jobs stay in flight until `finishWrite`. */
  readonly slowDisk?: boolean
}

export class Bench {
  readonly core: RaftCore
  readonly #slowDisk: boolean
  #durable = 0
  jobs: AppendJob[] = []
  sent: RaftMessage[] = []
  held: { readonly afterToken: AppendToken; readonly message: RaftMessage }[] = []
  committed: Entry[] = []
  reads: ReadState[] = []
  readsFailed: string[] = []
  snapshotsWanted: ServerId[] = []

  constructor(options: BenchOptions = {}) {
    const { persisted, voters, seed, slowDisk, ...raft } = options
    this.#slowDisk = slowDisk ?? false
    const entries = makeLog([1], voters === undefined ? {} : { voters })
    this.core = new RaftCore(
      { id: A, electionTicks: 10, heartbeatTicks: 1, startGrace: false, boot: 'boot', ...raft },
      persisted ?? persistedLog(entries),
      seededRng(seed ?? 1),
    )
    this.drain()
  }

  do(input: RaftInput): InputOutcome {
    const outcome = this.core.handle(input)
    this.drain()
    return outcome
  }

  receive(message: RaftMessage): void {
    this.do({ kind: 'receive', message })
  }

  tick(count: number): void {
    for (let i = 0; i < count; i++) this.do({ kind: 'tick' })
  }

  propose(...texts: string[]): InputOutcome {
    return this.do({
      kind: 'propose',
      proposals: texts.map((text) => ({ type: 'normal', data: Buffer.from(text) })),
    })
  }

  /** Takes what was sent since the last call. */
  take(): RaftMessage[] {
    return this.sent.splice(0)
  }

  takeOf<K extends RaftMessage['kind']>(kind: K): (RaftMessage & { readonly kind: K })[] {
    return this.take().filter((m): m is RaftMessage & { readonly kind: K } => m.kind === kind)
  }

  /** The oldest job in flight becomes durable. */
  finishWrite(): void {
    const job = this.jobs.shift()
    if (job === undefined) throw new Error('no write is running')
    this.#finish(job)
    this.drain()
  }

  drain(): void {
    for (let batch = this.core.pull(); batch !== null; batch = this.core.pull())
      this.#perform(batch)
  }

  /** Wins an election with the vote of b, and learns that b holds everything. */
  static leader(options: BenchOptions = {}): Bench {
    const bench = new Bench(options)
    bench.core.handle({ kind: 'campaign' })
    bench.drain()
    if (options.slowDisk === true) bench.finishWrite()
    bench.receive({ kind: 'vote-reply', from: B, to: A, term: bench.core.term, granted: true })
    if (bench.core.role !== 'leader') throw new Error(`the bench is ${bench.core.role}`)
    return bench
  }

  /** The peer says that it holds everything up to the end of the log. */
  ack(from: ServerId, matchIndex: number = this.core.last.index): void {
    this.receive({
      kind: 'append-ack',
      from,
      to: A,
      term: this.core.term,
      matchIndex: logIndex(matchIndex),
      seq: 0,
      lastIndex: logIndex(matchIndex),
      boot: 'boot',
      isRecovering: false,
      appliedIndex: logIndex(0),
    })
  }

  #perform(batch: Batch): void {
    this.sent.push(...batch.messages)
    for (const message of batch.messagesAfterAppend) {
      this.held.push({ afterToken: batch.afterToken, message })
    }
    if (batch.job !== null) {
      if (this.#slowDisk) this.jobs.push(batch.job)
      else this.#finish(batch.job)
    }
    this.#release()
    this.reads.push(...batch.reads)
    this.readsFailed.push(...batch.readsFailed)
    this.snapshotsWanted.push(...batch.snapshotsWanted)
    this.committed.push(...batch.committed)
    const last = batch.committed.at(-1)
    if (last !== undefined) this.core.handle({ kind: 'applied', index: last.index })
  }

  #finish(job: AppendJob): void {
    this.#durable = job.token
    this.core.handle({ kind: 'appended', token: job.token })
    this.#release()
  }

  #release(): void {
    const ready = this.held.filter((held) => held.afterToken <= this.#durable)
    this.held = this.held.filter((held) => held.afterToken > this.#durable)
    this.sent.push(...ready.map((held) => held.message))
  }
}
