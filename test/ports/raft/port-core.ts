/**
 * One core in the port: made from JSON, driven by JSON, asked in JSON (verification 19.1).
 */

import { CHAIN_START } from '../../../core/raft/chain.ts'
import { RaftCore } from '../../../core/raft/raft-core.ts'
import {
  appendToken,
  type Batch,
  type Chain,
  type InputOutcome,
  logIndex,
  type PersistedState,
  type Proposal,
  type RaftInput,
  type RaftOptions,
  type ReadMode,
  type SnapshotMeta,
  serverId,
  term,
} from '../../../core/raft/types.ts'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { changeOf, configurationJson, validConfigurationOf } from '../configuration-json.ts'
import { countAt, type JsonObject, listAt, objectAt, PortError, textAt } from '../json-lines.ts'
import {
  dataOf,
  entriesOf,
  entryJson,
  messageJson,
  messageOf,
  snapshotOf,
} from './messages-json.ts'
import { ModelStorage, ORIGIN } from './model-storage.ts'

const UNLIMITED = Number.MAX_SAFE_INTEGER

export class PortCore {
  readonly #options: Omit<RaftOptions, 'startGrace' | 'boot'>
  readonly #isAsync: boolean
  readonly #rng: Rng
  #storage: ModelStorage
  #core: RaftCore
  #boots = 1
  #anchor: { index: number; chain: Chain }

  constructor(request: JsonObject) {
    const id = textAt(request, 'id')
    const opts = objectAt(request['opts'] ?? {}, '"opts"')
    this.#options = optionsOf(id, opts)
    this.#isAsync = opts['asyncStorage'] === true
    this.#rng = rngOf(request['randomTimeoutTicks'])
    const persisted = persistedOf(request)
    this.#storage = new ModelStorage(persisted)
    this.#anchor = persisted.anchor
    this.#core = this.#boot(persisted, false)
  }

  input(request: JsonObject): unknown {
    if (request['kind'] === 'tick') {
      for (let i = countAt(request, 'count', 1); i > 0; i--) this.#core.handle({ kind: 'tick' })
      return { outcome: 'done' }
    }
    if (request['kind'] === 'appended') {
      this.#complete(countAt(request, 'token'))
      return { outcome: 'done' }
    }
    const input = this.#inputOf(request)
    if (input.kind === 'compacted') {
      const at = this.#core.entry(input.index)
      this.#storage.compact(input.index, input.snapshot)
      if (at !== undefined) this.#anchor = at
    }
    return outcomeJson(this.#core.handle(input))
  }

  pull(): unknown {
    const batch = this.#core.pull()
    if (batch === null) return { empty: true }
    if (batch.job !== null) {
      this.#storage.begin(batch.job)
      if (batch.job.snapshot !== null) this.#anchor = batch.job.snapshot
    }
    const json = batchJson(batch)
    if (this.#isAsync) return json
    // Lock step: what was handed out is done before anything else happens.
    if (batch.job !== null) this.#complete(batch.job.token)
    const restored = batch.restore?.index
    if (restored !== undefined) this.#core.handle({ kind: 'applied', index: restored })
    const last = batch.committed.at(-1)
    if (last !== undefined) this.#core.handle({ kind: 'applied', index: last.index })
    return json
  }

  dump(): unknown {
    const core = this.#core
    const entries = []
    for (let index: number = core.firstIndex; index <= core.last.index; index++) {
      const entry = core.entry(index)
      if (entry !== undefined) entries.push(entryJson(entry))
    }
    return {
      id: this.#options.id,
      role: core.role === 'pre-candidate' ? 'preCandidate' : core.role,
      ...(core.failure === null ? {} : { failure: core.failure }),
      term: core.term,
      vote: core.vote,
      leader: core.leader,
      commit: core.commit,
      applied: core.applied,
      firstIndex: core.firstIndex,
      lastIndex: core.last.index,
      entries,
      configuration: configurationJson(core.configuration),
      transferTarget: core.transferTarget,
      isRecovering: core.isRecovering,
      progress: Object.fromEntries(
        [...core.peers].map(([peer, view]) => [
          peer,
          {
            match: view.match,
            next: view.next,
            state: view.mode,
            inflight: view.inflightCount,
            recentActive: view.isRecentlyActive,
          },
        ]),
      ),
    }
  }

  restart(request: JsonObject): unknown {
    const keep = request['keep'] ?? 'durable'
    if (keep !== 'all' && keep !== 'durable') throw new PortError('"keep" is all or durable')
    const persisted = this.#storage.restart(keep)
    this.#storage = new ModelStorage(persisted)
    this.#anchor = persisted.anchor
    this.#boots++
    this.#core = this.#boot(persisted, request['grace'] === true)
    return { restarted: true }
  }

  #boot(persisted: PersistedState, startGrace: boolean): RaftCore {
    const boot = `${this.#options.id} ${this.#boots}`
    return new RaftCore({ ...this.#options, startGrace, boot }, persisted, this.#rng)
  }

  #complete(token: number): void {
    const last = appendToken(token)
    for (const done of this.#storage.complete(last))
      this.#core.handle({ kind: 'appended', token: done })
  }

  #chainAt(index: number): Chain | undefined {
    return index === this.#anchor.index ? this.#anchor.chain : this.#core.entry(index)?.chain
  }

  #inputOf(request: JsonObject): RaftInput {
    const chainAt = (index: number): Chain | undefined => this.#chainAt(index)
    switch (request['kind']) {
      case 'campaign':
      case 'timeoutNow':
        return { kind: 'campaign' }
      case 'propose':
        return { kind: 'propose', proposals: proposalsOf(request) }
      case 'proposeConf':
        return { kind: 'propose-config', change: changeOf(request) }
      case 'read':
      case 'readIndex':
        return {
          kind: 'read-index',
          context: textAt(request, 'ctx'),
          ...(typeof request['mode'] === 'string' ? { mode: request['mode'] as ReadMode } : {}),
        }
      case 'transfer':
        return {
          kind: 'transfer',
          target: request['target'] === undefined ? null : serverId(textAt(request, 'target')),
        }
      case 'receive':
        return {
          kind: 'receive',
          message: messageOf(objectAt(request['message'], '"message"'), chainAt),
        }
      case 'applied':
        return { kind: 'applied', index: logIndex(countAt(request, 'index')) }
      case 'snapshotInstalled':
      case 'snapshotReceived':
        return { kind: 'snapshot-received', snapshot: this.#wanted(request) }
      case 'snapshotAbandoned':
        return { kind: 'snapshot-abandoned', snapshot: this.#wanted(request) }
      case 'snapshotReport':
        return {
          kind: 'snapshot-report',
          peer: serverId(textAt(request, 'peer')),
          ok: request['ok'] === true && request['failed'] !== true,
        }
      case 'unreachable':
        return { kind: 'unreachable', peer: serverId(textAt(request, 'peer')) }
      case 'compact':
      case 'compacted': {
        const index = logIndex(countAt(request, 'index'))
        const at = logIndex(countAt(request, 'snapshotIndex', this.#core.applied))
        return { kind: 'compacted', index, snapshot: this.#core.snapshotMetaAt(at) }
      }
      case 'storageFailed':
        return { kind: 'storage-failed', reason: String(request['reason'] ?? 'told so') }
      case 'stalled':
        return { kind: 'stalled' }
      default:
        throw new PortError(`"kind" names no input: ${String(request['kind'])}`)
    }
  }

  /** The image that is on its way, or the one that the request describes. */
  #wanted(request: JsonObject): SnapshotMeta {
    const given = request['snapshot']
    if (given !== undefined) {
      return snapshotOf(objectAt(given, '"snapshot"'), (index) => this.#chainAt(index))
    }
    if (this.#core.installing !== null) return this.#core.installing.snapshot
    return snapshotOf(request, (index) => this.#chainAt(index))
  }
}

function optionsOf(id: string, opts: JsonObject): Omit<RaftOptions, 'startGrace' | 'boot'> {
  const limit = (key: string, absent: number): number => {
    const value = opts[key]
    return value === undefined || value === null ? absent : Math.min(countAt(opts, key), UNLIMITED)
  }
  const messageBytesMax = limit('maxBytesPerMsg', 1_048_576)
  return {
    id: serverId(id),
    electionTicks: countAt(opts, 'electionTicks', 10),
    heartbeatTicks: countAt(opts, 'heartbeatTicks', 1),
    preVote: opts['preVote'] !== false,
    checkQuorum: opts['checkQuorum'] !== false,
    messageBytesMax,
    inflightMessagesMax: limit('maxInflight', 256),
    inflightBytesMax: Math.max(messageBytesMax, limit('maxInflightBytes', UNLIMITED)),
    uncommittedBytesMax: limit('maxUncommittedBytes', UNLIMITED),
    applyingBytesMax: UNLIMITED,
    unappliedMax: UNLIMITED,
  }
}

/** The first configuration lies below the log, as that of a snapshot at its start. */
function persistedOf(request: JsonObject): PersistedState {
  const given = request['snapshot']
  const at = given === undefined || given === null ? null : objectAt(given, '"snapshot"')
  const anchor =
    at === null
      ? ORIGIN
      : {
          index: logIndex(countAt(at, 'index')),
          term: term(countAt(at, 'term')),
          chain: CHAIN_START,
        }
  const hard = objectAt(request['hardState'] ?? {}, '"hardState"')
  const vote = hard['vote']
  const hasVote = vote !== undefined && vote !== null && vote !== '' && vote !== 0
  const entries = entriesOf(listAt(request, 'entries'), anchor.chain)
  const lastTerm = entries.at(-1)?.term ?? anchor.term
  return {
    hardState: {
      term: term(Math.max(countAt(hard, 'term', 0), lastTerm)),
      vote: hasVote ? serverId(String(vote)) : null,
      commit: logIndex(countAt(hard, 'commit', anchor.index)),
    },
    snapshot: {
      ...anchor,
      configuration: validConfigurationOf({ ...(at ?? {}), ...request }),
      configurationIndex: anchor.index,
    },
    anchor,
    entries,
    damagedTo: request['damagedTo'] === undefined ? null : logIndex(countAt(request, 'damagedTo')),
  }
}

function rngOf(ticks: unknown): Rng {
  const rng = seededRng(1)
  if (ticks === undefined || ticks === null) return rng
  if (typeof ticks !== 'number') throw new PortError('"randomTimeoutTicks" is a number')
  return { ...rng, range: () => ticks, fork: () => rngOf(ticks) }
}

function proposalsOf(request: JsonObject): Proposal[] {
  const items = request['entries'] ?? request['proposals'] ?? request['batch']
  const list = items === undefined ? [request] : listAt({ items }, 'items')
  return list.map((item): Proposal => {
    const from = typeof item === 'string' ? { data: item } : objectAt(item, 'a proposal')
    const type = from['type'] ?? 'normal'
    if (type !== 'normal' && type !== 'barrier' && type !== 'checkpoint') {
      throw new PortError('"type" of a proposal is normal, barrier or checkpoint')
    }
    return { type, data: dataOf(from) }
  })
}

function outcomeJson(outcome: InputOutcome): unknown {
  switch (outcome.kind) {
    case 'done':
      return { outcome: 'done' }
    case 'appended':
      return { outcome: 'appended', term: outcome.term, firstIndex: outcome.firstIndex }
    case 'rejected':
      return {
        outcome: 'rejected',
        reason: outcome.reason,
        ...(outcome.detail === undefined ? {} : { detail: outcome.detail }),
      }
  }
}

function batchJson(batch: Batch): JsonObject {
  const { job } = batch
  return {
    token: job?.token ?? null,
    hardState: job?.hardState ?? null,
    truncateFrom: job?.truncateFrom ?? null,
    entries: (job?.entries ?? []).map(entryJson),
    snapshot: job?.snapshot ?? null,
    mustSync: job !== null,
    messagesNow: batch.messages.map(messageJson),
    messagesAfter: batch.messagesAfterAppend.map(messageJson),
    afterToken: batch.afterToken,
    committed: batch.committed.map(entryJson),
    reads: batch.reads.map(({ context, index }) => ({ ctx: context, index })),
    readsFailed: batch.readsFailed,
    snapshotsWanted: batch.snapshotsWanted,
    snapshotOffered: batch.snapshotOffered,
    restore: batch.restore,
  }
}
