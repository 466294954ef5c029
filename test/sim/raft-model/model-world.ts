/**
 * A few real cores, the messages between them and their disks, as one state that actions lead from (17.1).
 *
 * Time is abstract: a timeout may fire at any server at any moment, as far as the budget goes, so that PreVote
 * and leases, which are about time, are off. Messages may be delivered in any order, be doubled within a
 * budget, and never arrive; those that can change nothing any more are forgotten. Without `slowDisks` a write is done at once. A crash loses what is not written,
 * or all but what is not written is kept: both are tried. `fingerprint` tells two states apart.
 */

import type { ConfigurationChange } from '../../../core/raft/configuration.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { printConfiguration, printJob, printMessage } from '../../scenarios/raft/print.ts'
import { ScenarioServer } from '../../scenarios/raft/scenario-server.ts'
import { configurationOf, logOf, persisted } from '../../scenarios/raft/setup.ts'
import { Invariants } from './invariants.ts'

export interface Budgets {
  readonly timeouts: number
  readonly proposals: number
  readonly doubles: number
  readonly crashes: number
  readonly compactions: number
}

export interface ModelOptions {
  readonly servers: readonly string[]
  /** Servers with an empty log that no configuration lists at first. */
  readonly spares?: readonly string[]
  readonly budgets: Partial<Budgets>
  readonly slowDisks?: boolean
  /** Offered to every leader, each once. */
  readonly changes?: readonly ConfigurationChange[]
  /** Begins with the first server elected and its noop committed everywhere. */
  readonly elected?: boolean
}

export type Action =
  | { readonly kind: 'timeout' | 'propose' | 'write' | 'compact'; readonly server: string }
  | { readonly kind: 'crash'; readonly server: string; readonly keepsWrites: boolean }
  | { readonly kind: 'deliver' | 'double'; readonly message: string }
  | { readonly kind: 'change'; readonly server: string; readonly change: number }

export class ModelWorld {
  readonly #options: ModelOptions
  readonly #servers: ScenarioServer[]
  readonly #invariants = new Invariants()
  /** By what they say; the count of equal ones does not matter to anybody who receives them. */
  readonly #network = new Map<string, RaftMessage>()
  /** Votes that a candidate has received: part of its state that it does not show. */
  readonly #votes = new Map<string, Set<string>>()
  readonly #changesLeft: Set<number>
  #left: Budgets

  constructor(options: ModelOptions) {
    this.#options = options
    this.#left = {
      timeouts: 0,
      proposals: 0,
      doubles: 0,
      crashes: 0,
      compactions: 0,
      ...options.budgets,
    }
    this.#changesLeft = new Set((options.changes ?? []).keys())
    const first = configurationOf(options.servers, [], [])
    const names = [...options.servers, ...(options.spares ?? [])]
    this.#servers = names.map((id) => {
      const log = options.servers.includes(id) ? logOf(first, [1]) : []
      const settings = {
        electionTicks: 10,
        heartbeatTicks: 1,
        preVote: false,
        checkQuorum: false,
        inflightMessagesMax: 2,
      }
      const server = new ScenarioServer(id, persisted(log, {}), settings, () => {})
      server.start({ grace: false })
      return server
    })
    for (const server of this.#servers) this.#settle(server)
    if (options.elected === true) this.#elect()
  }

  /** What may happen next, in a fixed order. */
  actions(): Action[] {
    const out: Action[] = []
    for (const message of [...this.#network.keys()].sort()) {
      out.push({ kind: 'deliver', message })
      if (this.#left.doubles > 0) out.push({ kind: 'double', message })
    }
    for (const { id: server, core, jobs, disk } of this.#servers) {
      const isLeader = core.role === 'leader'
      const isMember = core.configurationIndex > 0
      if (jobs.length > 0) out.push({ kind: 'write', server })
      if (this.#left.timeouts > 0 && !isLeader && isMember) out.push({ kind: 'timeout', server })
      if (this.#left.proposals > 0 && isLeader) out.push({ kind: 'propose', server })
      if (this.#left.compactions > 0 && core.applied > disk.anchor.index) {
        out.push({ kind: 'compact', server })
      }
      if (this.#left.crashes > 0) {
        out.push({ kind: 'crash', server, keepsWrites: false })
        if (jobs.length > 0) out.push({ kind: 'crash', server, keepsWrites: true })
      }
      if (!isLeader) continue
      for (const change of this.#changesLeft) out.push({ kind: 'change', server, change })
    }
    return out
  }

  /** @throws AssertionError naming the invariant that the state after it breaks */
  perform(action: Action): void {
    switch (action.kind) {
      case 'deliver':
      case 'double': {
        const message = this.#network.get(action.message)
        if (message === undefined) throw new Error(`no message ${action.message}`)
        if (action.kind === 'deliver') this.#network.delete(action.message)
        else this.#spend('doubles')
        this.#deliver(message)
        return
      }
      case 'timeout':
        this.#spend('timeouts')
        this.#votes.delete(action.server)
        this.#server(action.server).core.handle({ kind: 'campaign' })
        break
      case 'propose':
        this.#spend('proposals')
        this.#server(action.server).core.handle({
          kind: 'propose',
          proposals: [{ type: 'normal', data: Buffer.from(`p${this.#left.proposals}`) }],
        })
        break
      case 'write':
        this.#send(this.#server(action.server).finishWrite())
        break
      case 'compact':
        this.#spend('compactions')
        this.#compact(this.#server(action.server))
        break
      case 'crash':
        this.#spend('crashes')
        this.#crash(this.#server(action.server), action.keepsWrites)
        break
      case 'change': {
        const change = this.#options.changes?.[action.change]
        if (change === undefined) throw new Error(`no change ${action.change}`)
        this.#changesLeft.delete(action.change)
        this.#server(action.server).core.handle({ kind: 'propose-config', change })
        break
      }
    }
    this.#settle(this.#server(action.server))
  }

  /** Equal for states that go on in the same way. */
  fingerprint(): string {
    const parts = this.#servers.map((server) => {
      const { core, disk, jobs, id } = server
      const entries: string[] = []
      for (let i = core.firstIndex as number; ; i++) {
        const entry = core.entry(i)
        if (entry === undefined) break
        entries.push(`${entry.term}.${entry.chain}`)
      }
      const peers = [...core.peers].map(([peer, p]) => {
        return `${peer}${p.mode[0]}${p.match}/${p.next}/${p.inflightCount}`
      })
      return [
        `${id} ${core.role} ${core.term} ${core.vote} ${core.leader} ${core.commit} ${core.applied}`,
        entries.join(),
        peers.join(),
        [...(this.#votes.get(id) ?? [])].sort().join(),
        jobs.map(printJob).join('&'),
        server.held.map((held) => printMessage(held.message)).join('&'),
        `${disk.hardState.term}${disk.hardState.vote}${disk.anchor.index}:${disk.entries.length}`,
        printConfiguration(core.configuration),
      ].join(' | ')
    })
    const left = Object.values(this.#left).join()
    return [
      ...parts,
      [...this.#network.keys()].sort().join('&'),
      left,
      [...this.#changesLeft],
    ].join('\n')
  }

  #elect(): void {
    const [first] = this.#servers
    if (first === undefined) return
    first.core.handle({ kind: 'campaign' })
    this.#settle(first)
    for (let rounds = 0; rounds < 20; rounds++) {
      for (const server of this.#servers) {
        while (server.jobs.length > 0) {
          this.#send(server.finishWrite())
          this.#settle(server)
        }
      }
      for (const [text, message] of [...this.#network]) {
        this.#network.delete(text)
        this.#deliver(message)
      }
    }
  }

  #deliver(message: RaftMessage): void {
    const server = this.#server(message.to)
    if (message.kind === 'vote-reply' && message.granted && message.term === server.core.term) {
      const votes = this.#votes.get(message.to) ?? new Set()
      this.#votes.set(message.to, votes.add(message.from))
    }
    const before = server.core.term
    server.core.handle({ kind: 'receive', message })
    if (server.core.term !== before) this.#votes.delete(message.to)
    this.#settle(server)
  }

  #settle(server: ScenarioServer): void {
    for (let batch = server.core.pull(); batch !== null; batch = server.core.pull()) {
      this.#send(server.take(batch))
      for (const peer of batch.snapshotsWanted) {
        const { snapshot } = server.core
        if (snapshot !== null) this.#send([server.core.offerOf(peer, snapshot)])
      }
      if (server.offered !== null) {
        const { snapshot } = server.offered
        server.offered = null
        server.core.handle({ kind: 'snapshot-received', snapshot })
      }
      if (this.#options.slowDisks !== true) {
        while (server.jobs.length > 0) this.#send(server.finishWrite())
      }
      this.#invariants.check(server)
      const { restored, applied } = server.apply()
      this.#invariants.applied(server, restored, applied)
    }
    this.#invariants.check(server)
    this.#forgetVoid()
  }

  /** Messages that can change nothing any more are the same as lost ones. */
  #forgetVoid(): void {
    for (const [text, message] of this.#network) {
      const { core, disk } = this.#server(message.to)
      const isEarlier = message.term < disk.hardState.term
      const isUnasked =
        message.term === disk.hardState.term &&
        ((message.kind === 'vote-reply' && core.role !== 'candidate') ||
          ((message.kind === 'append-ack' || message.kind === 'append-reject') &&
            core.role !== 'leader'))
      if (isEarlier || isUnasked) this.#network.delete(text)
    }
  }

  #send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      this.#invariants.released(message)
      this.#network.set(printMessage(message), message)
    }
  }

  #compact(server: ScenarioServer): void {
    server.takeSnapshot()
    server.compact(server.core.applied)
  }

  #crash(server: ScenarioServer, keepsWrites: boolean): void {
    if (keepsWrites) while (server.jobs.length > 0) server.finishWrite()
    server.crash()
    this.#votes.delete(server.id)
    server.start({ grace: false })
    this.#invariants.restarted(server)
  }

  #server(id: string): ScenarioServer {
    const server = this.#servers.find((candidate) => candidate.id === id)
    if (server === undefined) throw new Error(`no server "${id}"`)
    return server
  }

  #spend(budget: keyof Budgets): void {
    this.#left = { ...this.#left, [budget]: this.#left[budget] - 1 }
  }
}
