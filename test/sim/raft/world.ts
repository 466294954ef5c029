/**
 * A cluster in one thread: servers, network, nemesis and clients, all driven by one seed.
 *
 * Phases: safety (faults and load), then liveness (everything heals), with the invariants of oracle.ts after
 * every step. Each seed first draws which faults exist at all (swarm), so that some runs go deep without
 * others' noise. `trace` folds every event into one number: equal seeds, equal numbers.
 */

import assert from 'node:assert/strict'
import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import { encodeConfiguration, votersOnly } from '../../../core/raft/configuration.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import {
  appendToken,
  type Entry,
  logIndex,
  type ReadState,
  serverId,
  term,
} from '../../../core/raft/types.ts'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { EventQueue } from './event-queue.ts'
import { ModelNetwork, type NetworkFaults } from './model-network.ts'
import { Oracle } from './oracle.ts'
import { SimServer } from './sim-server.ts'

const TICK_US = 10_000
const CLIENT_MEAN_US = 4_000
/** Uncommitted entries at which clients wait: the smallest windows carry one entry in each round trip. */
const TAIL_MAX = 20
const NEMESIS_MEAN_US = 120_000

export interface WorldOptions {
  readonly seed: number
  readonly servers: number
  readonly steps: number
  /** Without any fault at all. */
  readonly calm?: boolean
  /** Without clients: logs stay equal. */
  readonly quiet?: boolean
}

export interface WorldReport {
  readonly trace: number
  readonly steps: number
  readonly elections: number
  readonly commits: number
  readonly acknowledged: number
  readonly reads: number
  readonly crashes: number
  readonly partitions: number
  readonly truncations: number
  readonly compactions: number
  readonly dropped: number
}

interface Swarm {
  readonly network: NetworkFaults
  readonly hasCrashes: boolean
  readonly hasPartitions: boolean
  readonly hasCompaction: boolean
  readonly electionTicks: number
  readonly messageBytesMax: number
  readonly inflightMessagesMax: number
  readonly writeMean: number
}

interface PendingRead {
  readonly server: SimServer
  readonly boot: number
  /** Highest index acknowledged to any client when the read was invoked. */
  readonly floor: number
}

export class World {
  readonly #options: WorldOptions
  readonly #rng: Rng
  readonly #events = new EventQueue()
  readonly #swarm: Swarm
  readonly #servers: SimServer[]
  readonly #network: ModelNetwork
  readonly oracle: Oracle
  /** Content of a write → index at which its proposer was told that it is applied. */
  readonly #acknowledged = new Map<string, number>()
  readonly #proposed = new Map<string, { text: string; server: SimServer; boot: number }>()
  readonly #reads = new Map<string, PendingRead>()
  #acknowledgedMax = 0
  #readsServed = 0
  #counter = 0
  #crashes = 0
  #partitions = 0
  #compactions = 0
  #steps = 0
  #trace = 0x811c9dc5
  #isHealing = false

  constructor(options: WorldOptions) {
    this.#options = options
    this.#rng = seededRng(options.seed).fork('world')
    this.#swarm = drawSwarm(this.#rng.fork('swarm'), options.calm === true)
    this.oracle = new Oracle({
      servers: options.servers,
      disks: () => this.#servers.map((server) => server.disk),
    })
    this.#network = new ModelNetwork(this.#swarm.network, {
      events: this.#events,
      rng: this.#rng.fork('network'),
      deliver: (message) => this.#deliver(message),
    })
    this.#servers = this.#makeServers()
  }

  get servers(): readonly SimServer[] {
    return this.#servers
  }

  get network(): ModelNetwork {
    return this.#network
  }

  get leader(): SimServer | undefined {
    const leaders = this.#servers.filter((server) => server.core?.role === 'leader')
    return leaders.sort((x, y) => (y.core?.term ?? 0) - (x.core?.term ?? 0))[0]
  }

  get electionTicks(): number {
    return this.#swarm.electionTicks
  }

  /** Starts servers and load; faults too unless the world is calm. */
  open(): void {
    for (const server of this.#servers) {
      server.start()
      this.#tick(server, this.#rng.range(0, TICK_US))
    }
    if (this.#options.quiet !== true) this.#client(this.#rng.fork('clients'))
    if (this.#options.calm !== true) this.#nemesis(this.#rng.fork('nemesis'))
    if (this.#swarm.hasCompaction) this.#compactor(this.#rng.fork('compaction'))
  }

  /** The whole run: safety, healing, liveness, final audit. */
  run(): WorldReport {
    this.open()
    this.runSteps(this.#options.steps)
    this.heal()
    this.#demandProgress()
    this.#audit()
    return {
      trace: this.#trace >>> 0,
      steps: this.#steps,
      elections: this.oracle.elections,
      commits: this.oracle.committed.length,
      acknowledged: this.#acknowledged.size,
      reads: this.#readsServed,
      crashes: this.#crashes,
      partitions: this.#partitions,
      truncations: this.#servers.reduce((sum, server) => sum + server.disk.truncations, 0),
      compactions: this.#compactions,
      dropped: this.#network.dropped,
    }
  }

  runSteps(count: number): void {
    const end = this.#steps + count
    while (this.#steps < end) this.#step()
  }

  runTicks(count: number): void {
    const end = this.#events.now + count * TICK_US
    while (this.#events.now < end) this.#step()
  }

  /** Faults end for good; the dead come back. */
  heal(): void {
    this.#isHealing = true
    this.#network.calm()
    for (const server of this.#servers) if (!server.isUp) server.start()
  }

  isolate(server: SimServer): void {
    for (const other of this.#servers) {
      if (other === server) continue
      this.#network.cut(server.id, other.id)
      this.#network.cut(other.id, server.id)
    }
  }

  /** I24: with everything healed, a leader, a new commit, and equal applied indexes within the bound. */
  #demandProgress(): void {
    const bound = 20 * this.#swarm.electionTicks
    const target = this.oracle.committed.length + 1
    for (let ticks = 0; ticks < bound; ticks++) {
      this.runTicks(1)
      const commit = this.leader?.core?.commit ?? 0
      if (commit < target) continue
      const isEven = this.#servers.every((server) => server.applied >= target)
      if (isEven) return
    }
    const state = this.#servers.map((s) => {
      return `${s.id} ${s.core?.role} term ${s.core?.term} commit ${s.core?.commit} applied ${s.applied} last ${s.core?.last.index}`
    })
    assert.fail(`I24: no progress within ${bound} ticks after healing: ${state.join('; ')}`)
  }

  /** I19 and no lost write: each acknowledged write is in the committed log, once, where it was said to be. */
  #audit(): void {
    const seen = new Map<string, number>()
    for (const entry of this.oracle.committed) {
      if (entry.type !== 'normal') continue
      const text = Buffer.from(entry.data).toString()
      assert.ok(!seen.has(text), `I19: ${text} is committed twice`)
      seen.set(text, entry.index)
    }
    for (const [text, index] of this.#acknowledged) {
      assert.equal(seen.get(text), index, `acknowledged write ${text} is lost`)
    }
  }

  #step(): void {
    assert.ok(this.#events.step(), 'the world never runs dry')
    this.#steps++
  }

  #makeServers(): SimServer[] {
    const ids = Array.from({ length: this.#options.servers }, (_, i) => `s${i + 1}`)
    const members = ids.map((id) => ({ id: serverId(id), address: `${id}:1` }))
    const first = chainedEntry(CHAIN_START, {
      index: logIndex(1),
      term: term(1),
      type: 'config',
      data: encodeConfiguration(votersOnly(members)),
    })
    const { electionTicks, messageBytesMax, inflightMessagesMax, writeMean } = this.#swarm
    return ids.map((id) => {
      const server = new SimServer(
        {
          raft: {
            id: serverId(id),
            electionTicks,
            heartbeatTicks: Math.max(1, Math.floor(electionTicks / 10)),
            messageBytesMax,
            inflightMessagesMax,
          },
          writeMean,
        },
        {
          events: this.#events,
          rng: this.#rng.fork(id),
          oracle: this.oracle,
          send: (message) => {
            this.#note(`${message.from}>${message.to} ${message.kind} ${message.term}`)
            this.#network.send(message)
          },
          onApplied: (who, entry) => this.#onApplied(who, entry),
          onReads: (who, reads) => this.#onReads(who, reads),
          trace: (text) => this.#note(text),
        },
      )
      server.disk.begin([
        {
          token: appendToken(0),
          truncateFrom: null,
          entries: [first],
          hardState: { term: term(1), vote: null, commit: logIndex(0) },
          last: first,
          snapshot: null,
        },
      ])
      server.disk.complete()
      return server
    })
  }

  #deliver(message: RaftMessage): void {
    const target = this.#servers.find((server) => server.id === message.to)
    target?.handle({ kind: 'receive', message })
  }

  #tick(server: SimServer, delay: number): void {
    this.#events.after(delay, () => {
      server.handle({ kind: 'tick' })
      this.#tick(server, TICK_US + this.#rng.range(-200, 201))
    })
  }

  /** Proposes to whoever may lead (a deposed leader too), and reads through anyone. */
  #client(rng: Rng): void {
    this.#events.after(CLIENT_MEAN_US * 2 * rng.float(), () => {
      const server = rng.pick(this.#servers) as SimServer
      if (rng.float() < 0.3) this.#read(server)
      else this.#propose(rng)
      this.#client(rng)
    })
  }

  #propose(rng: Rng): void {
    const leaders = this.#servers.filter((server) => server.core?.role === 'leader')
    const server = rng.pick(leaders)
    if (server?.core == null || server.core.last.index - server.core.commit > TAIL_MAX) return
    const count = rng.range(1, 4)
    const texts = Array.from(
      { length: count },
      () => `write ${++this.#counter} ${'x'.repeat(rng.range(0, 40))}`,
    )
    const boot = server.boots
    const outcome = server.handle({
      kind: 'propose',
      proposals: texts.map((text) => ({ type: 'normal', data: Buffer.from(text) })),
    })
    if (outcome.kind !== 'appended') return
    for (const [i, text] of texts.entries()) {
      const key = `${server.id}/${boot}/${outcome.firstIndex + i}/${outcome.term}`
      this.#proposed.set(key, { text, server, boot })
    }
  }

  #read(server: SimServer): void {
    if (server.core === null) return
    const context = `r${++this.#counter}`
    this.#reads.set(context, { server, boot: server.boots, floor: this.#acknowledgedMax })
    const outcome = server.handle({ kind: 'read-index', context })
    if (outcome.kind === 'rejected') this.#reads.delete(context)
  }

  #onApplied(server: SimServer, entry: Entry): void {
    const key = `${server.id}/${server.boots}/${entry.index}/${entry.term}`
    const own = this.#proposed.get(key)
    if (own === undefined) return
    this.#proposed.delete(key)
    assert.equal(Buffer.from(entry.data).toString(), own.text, 'a proposer gets its own entry')
    this.#acknowledged.set(own.text, entry.index)
    this.#acknowledgedMax = Math.max(this.#acknowledgedMax, entry.index)
  }

  #onReads(server: SimServer, reads: readonly ReadState[]): void {
    for (const { context, index } of reads) {
      const read = this.#reads.get(context)
      if (read === undefined) continue
      this.#reads.delete(context)
      if (read.server !== server || read.boot !== server.boots) continue
      assert.ok(index >= read.floor, `I17: a read at ${index} misses write ${read.floor}`)
      this.#readsServed++
    }
  }

  #nemesis(rng: Rng): void {
    this.#events.after(NEMESIS_MEAN_US * 2 * rng.float(), () => {
      if (this.#isHealing) return
      const act = rng.float()
      if (act < 0.45 && this.#swarm.hasCrashes) this.#crash(rng)
      else if (act < 0.75 && this.#swarm.hasPartitions) this.#partition(rng)
      else if (act < 0.9) this.#network.heal()
      this.#nemesis(rng)
    })
  }

  #crash(rng: Rng): void {
    const server = this.#victim(rng)
    if (!server.isUp) return
    this.#crashes++
    server.crashAfter(rng.range(0, 8))
    this.#events.after(rng.range(1_000, 400_000), () => {
      server.crashAfter(0)
      if (!server.isUp) server.start()
    })
  }

  /** Leaders are hit more often than chance would: that is where decisions are lost. */
  #victim(rng: Rng): SimServer {
    const leader = this.leader
    return leader !== undefined && rng.float() < 0.5
      ? leader
      : (rng.pick(this.#servers) as SimServer)
  }

  #partition(rng: Rng): void {
    this.#partitions++
    this.#network.heal()
    const victim = this.#victim(rng)
    const others = rng.shuffle(this.#servers.filter((server) => server !== victim))
    const shuffled = [victim, ...others]
    const size = rng.range(1, shuffled.length)
    const left = shuffled.slice(0, size)
    const right = shuffled.slice(size)
    const isOneWay = rng.float() < 0.3
    for (const x of left) {
      for (const y of right) {
        this.#network.cut(x.id, y.id)
        if (!isOneWay) this.#network.cut(y.id, x.id)
      }
    }
  }

  /** Nobody drops what somebody lacks, or may lack for all a leader knows: streaming images between servers is not part of this world. */
  #compactor(rng: Rng): void {
    this.#events.after(rng.range(50_000, 300_000), () => {
      const held = this.#servers.map((server) => server.disk.hardState.commit)
      const known = this.#servers.flatMap((server) => [...(server.core?.matches.values() ?? [])])
      const floor = Math.min(...held, ...known)
      const server = rng.pick(this.#servers) as SimServer
      const before = server.disk.firstIndex
      server.compact(floor - rng.range(0, 4))
      if (server.disk.firstIndex > before) this.#compactions++
      this.#compactor(rng)
    })
  }

  #note(text: string): void {
    let hash = Math.imul(this.#trace ^ this.#events.now, 0x01000193)
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    this.#trace = hash
  }
}

function drawSwarm(rng: Rng, calm: boolean): Swarm {
  const coin = (): boolean => rng.float() < 0.5
  const network: NetworkFaults = {
    loss: !calm && coin() ? 0.3 * rng.float() * rng.float() : 0,
    duplication: !calm && coin() ? 0.4 * rng.float() : 0,
    replay: !calm && coin() ? 0.02 : 0,
    delayMin: coin() ? 0 : 500,
    delayMean: rng.pick([0, 500, 2_000, 10_000]) as number,
  }
  return {
    network,
    hasCrashes: !calm && coin(),
    hasPartitions: !calm && coin(),
    hasCompaction: coin(),
    electionTicks: rng.pick([10, 10, 20]) as number,
    messageBytesMax: rng.pick([1, 64, 1_048_576]) as number,
    inflightMessagesMax: rng.pick([1, 2, 64]) as number,
    writeMean: rng.pick([0, 500, 5_000]) as number,
  }
}
