/**
 * A cluster in one thread: servers, network, clients and everything that goes wrong, driven by one seed.
 *
 * Phases (verification 10): safety under faults; liveness with a majority healed; everything healed and
 * convergence; reads by every client in every mode; a restart of all from their disks and convergence again.
 * The invariants of oracle.ts hold after every step; the clients' history is judged in the end.
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { type RaftInput, serverId } from '../../../core/raft/types.ts'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { Client } from './clients.ts'
import { hasQuorum, type MemberSets } from './configuration-rules.ts'
import { Counters } from './counters.ts'
import { EventQueue } from './event-queue.ts'
import { firstEntries, foundersOf, writeFirst } from './founding.ts'
import { judgeHistory } from './history-verdict.ts'
import { MembershipDriver } from './membership-driver.ts'
import { indexOf } from './message-index.ts'
import { type ImagePacket, ModelNetwork } from './model-network.ts'
import { Nemesis } from './nemesis.ts'
import { Oracle } from './oracle.ts'
import { SimServer } from './sim-server.ts'
import { type MachineKind, recorderKind, storeKind } from './state-machines.ts'
import { drawSwarm, type Swarm } from './swarm.ts'
import { Trace } from './trace.ts'
import type { WorldContext } from './world-context.ts'

const TICK_US = 10_000
/** At one instant; more is an endless loop. */
const EVENTS_AT_ONCE_MAX = 200_000
/** After so many events for each step a phase is over, whatever its steps. */
const EVENTS_PER_STEP_MAX = 60
/** Election timeouts without faults in which a cluster that lost too much may try. */
const AFTERMATH = 60

export interface WorldOptions {
  readonly seed: number
  /** Inputs of cores in the safety phase. */
  readonly steps: number
  /** Replaces what the seed draws. */
  readonly override?: (swarm: Swarm) => Swarm
  /** Of all that the seed draws, only these acts take place. */
  readonly only?: Schedule
}

/** Numbers of acts of the nemesis and of the operator. */
export interface Schedule {
  readonly nemesis: readonly number[]
  readonly membership: readonly number[]
}

export interface WorldReport {
  readonly seed: number
  readonly trace: number
  readonly steps: number
  readonly virtualSeconds: number
  readonly commits: number
  readonly elections: number
  /** Nothing was committed, or nothing went wrong although something should have. */
  readonly isVoid: boolean
  readonly counts: Readonly<Record<string, number>>
}

export class World implements WorldContext {
  readonly seed: number
  readonly rng: Rng
  readonly events = new EventQueue()
  readonly swarm: Swarm
  readonly counters = new Counters()
  readonly trace = new Trace()
  readonly oracle: Oracle
  readonly machine: MachineKind
  readonly electionUs: number
  readonly network: ModelNetwork
  readonly clients: readonly Client[]
  readonly #steps: number
  readonly #servers = new Map<string, SimServer>()
  readonly #nemesis: Nemesis
  readonly #membership: MembershipDriver
  #stepsDone = 0
  #eventsDone = 0
  #eventsAtOnce = 0
  #joined = 0
  #phase = 'P1'

  constructor(options: WorldOptions) {
    this.seed = options.seed
    this.#steps = options.steps
    this.rng = seededRng(options.seed).fork('world')
    const drawn = drawSwarm(this.rng.fork('swarm'))
    this.swarm = options.override === undefined ? drawn : options.override(drawn)
    this.electionUs = this.swarm.electionTicks * TICK_US
    this.machine = this.swarm.stateMachine === 'store' ? storeKind : recorderKind
    this.oracle = new Oracle({
      counters: this.counters,
      inflightMax: this.swarm.inflightMessagesMax,
    })
    this.network = new ModelNetwork(this.swarm.network, {
      events: this.events,
      rng: this.rng.fork('network'),
      counters: this.counters,
      deliver: (message) => this.server(message.to)?.receive(message),
      unreachable: (from, to) => this.#unreachable(from, to),
    })
    const { voters, learners } = foundersOf(this.swarm)
    const first = firstEntries(this.swarm)
    for (const id of [...learners, ...voters]) writeFirst(this.#make(id).disk, first)
    const { only } = options
    const servers = (): readonly SimServer[] => this.servers
    const leader = (): SimServer | undefined => this.leader
    this.#nemesis = new Nemesis({
      context: this,
      network: this.network,
      rng: this.rng.fork('nemesis'),
      servers,
      leader,
      isWanted: (act) => only === undefined || only.nemesis.includes(act),
    })
    this.#membership = new MembershipDriver({
      context: this,
      rng: this.rng.fork('membership'),
      servers,
      leader,
      join: () => this.#join(),
      isWanted: (act) => only === undefined || only.membership.includes(act),
    })
    this.clients = Array.from({ length: this.swarm.clients }, (_, i) => {
      return new Client(`c${i + 1}`, {
        context: this,
        servers,
        rng: this.rng.fork(`client ${i}`),
        onWritten: () => {},
      })
    })
  }

  /** All that were not taken out for good. */
  get servers(): readonly SimServer[] {
    return [...this.#servers.values()].filter((server) => !server.isRetired)
  }

  get leader(): SimServer | undefined {
    let found: SimServer | undefined
    for (const server of this.#servers.values()) {
      const { core } = server
      if (core?.role === 'leader' && core.term > (found?.core?.term ?? -1)) found = server
    }
    return found
  }

  get phase(): string {
    return this.#phase
  }

  /** How many acts there were, those left out among them. */
  get acts(): { readonly nemesis: number; readonly membership: number } {
    return { nemesis: this.#nemesis.acts, membership: this.#membership.acts }
  }

  get stepsDone(): number {
    return this.#stepsDone
  }

  send(message: RaftMessage): void {
    this.trace.note(
      this.events.now,
      message.from,
      message.kind,
      Number(message.term),
      indexOf(message),
    )
    this.network.send(message)
  }

  sendImage(packet: ImagePacket): void {
    this.network.sendImage(packet)
  }

  server(id: string): SimServer | undefined {
    const server = this.#servers.get(id)
    return server?.isRetired === true ? undefined : server
  }

  rush(): void {
    for (const client of this.clients) client.rush()
  }

  stepped(id: string, input: RaftInput): void {
    this.#stepsDone++
    if (input.kind === 'receive') {
      const { message } = input
      this.trace.note(
        this.events.now,
        id,
        `< ${message.kind}`,
        Number(message.term),
        indexOf(message),
      )
    } else if (input.kind !== 'tick') this.trace.note(this.events.now, id, input.kind)
    else this.trace.note(this.events.now, id, 'tick')
  }

  open(): void {
    for (const server of this.servers) server.start()
    for (const client of this.clients) client.start()
    this.#nemesis.start()
    this.#membership.start()
  }

  run(): WorldReport {
    this.open()
    this.#phase = 'P2 safety'
    this.runSteps(this.#steps)
    if (this.swarm.isBeyondModel) this.#aftermath()
    else {
      this.#liveness()
      this.#converge('P4 convergence')
      this.#finalReads()
      this.#restartAll()
      this.#converge('P6 restart')
    }
    this.#audit()
    return this.report()
  }

  runSteps(count: number): void {
    const end = this.#stepsDone + count
    const eventsMax = this.#eventsDone + count * EVENTS_PER_STEP_MAX
    while (this.#stepsDone < end && this.#eventsDone < eventsMax) this.#event()
  }

  runFor(duration: number): void {
    const end = this.events.now + duration
    while (this.events.now < end) this.#event()
  }

  /** @returns whether it came true within `duration` */
  runUntil(duration: number, isTrue: () => boolean): boolean {
    const end = this.events.now + duration
    while (this.events.now < end) {
      if (isTrue()) return true
      this.runFor(TICK_US)
    }
    return isTrue()
  }

  report(): WorldReport {
    const commits = this.oracle.committed.length
    const counts = this.counters.toRecord()
    const faults = Object.keys(counts).some((name) => name.startsWith('fault.'))
    return {
      seed: this.seed,
      trace: this.trace.hash,
      steps: this.#stepsDone,
      virtualSeconds: this.events.now / 1_000_000,
      commits,
      elections: this.oracle.elections,
      isVoid: this.counters.get('client.ok') === 0 || (this.swarm.nemesisMean > 0 && !faults),
      counts: {
        ...counts,
        'event.commit': commits,
        'event.election': this.oracle.elections,
        'event.message': this.network.sent,
        'max.term': this.oracle.termMax,
        'max.log': commits,
      },
    }
  }

  describe(): string {
    return [...this.#servers.values()]
      .map((s) => {
        const { core, disk } = s
        if (core === null)
          return `${s.id} ${s.isRetired ? 'retired' : 'down'} last ${disk.lastIndex}`
        return `${s.id} ${core.role} term ${core.term} leader ${core.leader} commit ${core.commit} applied ${s.life?.applied} last ${core.last.index}${core.isRecovering ? ' recovering' : ''}${core.restoring ? ' restoring' : ''}${core.installing ? ' installing' : ''}`
      })
      .join('; ')
  }

  /** A random majority of every configuration that may be in force is healed and has to get on alone. */
  #liveness(): void {
    this.#phase = 'P3 liveness'
    this.#nemesis.stop()
    this.#membership.stop()
    this.network.calm(this.electionUs)
    const core = this.swarm.bareQuorum ? this.#bareQuorum() : this.servers
    for (const server of this.servers) {
      server.calm()
      if (!core.includes(server)) {
        if (server.isUp) server.crash('power-cut')
      } else if (!server.isUp) server.start()
    }
    const E = this.electionUs
    this.#demand(60 * E, 'I24: a leader', () => {
      const { leader } = this
      return leader !== undefined && core.includes(leader) && leader.core?.noopIndex != null
    })
    const before = this.oracle.acknowledgedMax
    for (const client of this.clients) client.hurry()
    this.#demand(80 * E, 'I24: a new write', () => this.oracle.acknowledgedMax > before)
  }

  /** Too many disks were damaged: the cluster may serve or refuse for ever, and must not say anything wrong. */
  #aftermath(): void {
    this.#phase = 'P3 beyond the model'
    this.#nemesis.stop()
    this.#membership.stop()
    this.network.calm(this.electionUs)
    for (const server of this.servers) {
      server.calm()
      if (!server.isUp) server.start()
    }
    this.runSteps(this.#steps)
    for (const client of this.clients) client.stop()
    this.runFor(AFTERMATH * this.electionUs)
    this.counters.add(this.leader === undefined ? 'event.beyond.refuses' : 'event.beyond.serves')
  }

  #converge(phase: string): void {
    this.#phase = phase
    for (const client of this.clients) client.stop()
    for (const server of this.servers) {
      if (this.#isMember(server)) {
        if (!server.isUp) server.start()
      } else if (this.#phase === 'P6 restart' || !this.#mayBecomeMember(server)) {
        server.isRetired = true
        if (server.isUp) server.crash('kill')
      } else if (!server.isUp) server.start()
    }
    const E = this.electionUs
    this.#demand(60 * E, 'clients are answered', () =>
      this.clients.every((client) => client.isIdle),
    )
    // The last of the messages that were held up for long may ask for an election, as a handover does.
    const late = this.network.disturbedUntil - this.events.now
    if (late >= 0) this.runFor(late + E)
    this.#demand(200 * E, 'I24: all are equal', () => !this.#membership.relieve() && this.#isEven())
    const elections = this.oracle.elections
    this.runFor(100 * E)
    assert.equal(
      this.oracle.elections,
      elections,
      `I25: no election in quiet times: ${this.describe()}`,
    )
    assert.ok(this.#isEven(), `all stay equal: ${this.describe()}`)
    const images = this.#members().map((s) => Buffer.from(s.life?.machine.image() ?? []))
    for (const image of images)
      assert.ok(image.equals(images[0] as Buffer), 'I5: the states differ')
  }

  #isEven(): boolean {
    const { leader } = this
    const { core } = leader ?? {}
    if (core == null || core.commit !== core.last.index || core.transferTarget !== null)
      return false
    if (core.configuration.outgoing.length > 0 && core.configuration.autoLeave) return false
    return this.#members().every((server) => {
      const { life } = server
      if (life === null) return false
      const { core: own } = life
      return (
        life.applied === core.commit &&
        own.commit === core.commit &&
        own.last.index === core.last.index &&
        own.term === core.term &&
        own.leader === core.leader &&
        !own.isRecovering &&
        server.disk.damagedTo === null &&
        life.restoring === null &&
        life.pipeline.isIdle
      )
    })
  }

  #finalReads(): void {
    this.#phase = 'P5 reads'
    for (const mode of ['quorum', 'lease'] as const) {
      for (const client of this.clients) {
        for (let k = 0; k < Math.min(this.swarm.keys, 3); k++) {
          client.readNow(`k${k}`, mode)
          this.#demand(60 * this.electionUs, 'a read is answered', () => client.isIdle)
        }
      }
    }
  }

  #restartAll(): void {
    for (const server of this.servers) {
      if (!server.isUp) continue
      server.crash(this.rng.float() < 0.5 ? 'kill' : 'power-cut')
    }
    this.runFor(this.electionUs)
    for (const server of this.servers) server.start()
  }

  #audit(): void {
    this.#phase = 'audit'
    for (const client of this.clients) client.close()
    judgeHistory({
      records: this.clients.flatMap((client) => client.history),
      committed: this.oracle.committed,
      machine: this.machine,
      resultAt: (index) => this.oracle.resultAt(index),
      counters: this.counters,
    })
  }

  #demand(duration: number, what: string, isTrue: () => boolean): void {
    if (this.runUntil(duration, isTrue)) return
    assert.fail(
      `${what} within ${duration / this.electionUs} election timeouts: ${this.describe()}`,
    )
  }

  #members(): SimServer[] {
    const { members } = this.oracle.committedConfiguration
    return members.flatMap((id) => this.server(id) ?? [])
  }

  #isMember(server: SimServer): boolean {
    return this.oracle.committedConfiguration.members.includes(server.id)
  }

  #mayBecomeMember(server: SimServer): boolean {
    return this.oracle.uncommittedConfigurations.some((c) => c.members.includes(server.id))
  }

  #bareQuorum(): SimServer[] {
    const sets: readonly MemberSets[] = [
      this.oracle.committedConfiguration,
      ...this.oracle.uncommittedConfigurations,
      // What a leader has appended and no disk holds yet.
      ...this.servers
        .flatMap((server) => server.core?.configuration ?? [])
        .map((inForce) => ({ ...inForce, members: [] }))
        .filter((inForce) => inForce.incoming.length > 0),
    ]
    const chosen: SimServer[] = []
    const isEnough = (): boolean => {
      const has = (id: string): boolean => {
        return chosen.some((server) => server.id === id && server.disk.damagedTo === null)
      }
      return sets.every((set) => hasQuorum(set, has))
    }
    for (const server of this.rng.shuffle(this.servers)) {
      if (isEnough()) break
      chosen.push(server)
    }
    this.counters.add('event.bare-quorum')
    return chosen
  }

  #event(): void {
    const before = this.events.now
    assert.ok(this.events.step(), 'the world never runs dry')
    this.#eventsDone++
    this.#eventsAtOnce = this.events.now === before ? this.#eventsAtOnce + 1 : 0
    assert.ok(
      this.#eventsAtOnce < EVENTS_AT_ONCE_MAX,
      'time stands still: something goes in circles',
    )
  }

  #unreachable(from: string, to: string): void {
    const server = this.server(from)
    server?.request(() => {
      server.handle({ kind: 'unreachable', peer: serverId(to) })
      server.life?.images.unreachable(to)
    })
  }

  #join(): SimServer {
    const server = this.#make(`n${++this.#joined}`)
    server.start()
    return server
  }

  #make(id: string): SimServer {
    const server = new SimServer(id, this)
    this.#servers.set(id, server)
    return server
  }
}
