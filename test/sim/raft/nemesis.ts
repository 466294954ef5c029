/**
 * What goes wrong, and when: crashes, pauses, partitions, clogs, broken streams, sick disks, jumping clocks.
 *
 * Acts at random moments on the faults that the run has; stays within the fault model: at most a minority of
 * the voters has lost acknowledged entries at any time (the fault atlas, verification 7.3).
 */

import type { Rng } from '../../../core/rng.ts'
import { CRASH_POINTS, type CrashPoint } from './crash-points.ts'
import type { ModelNetwork } from './model-network.ts'
import type { SimServer } from './sim-server.ts'
import type { WorldContext } from './world-context.ts'

export interface NemesisDeps {
  readonly context: WorldContext
  readonly network: ModelNetwork
  readonly rng: Rng
  /** In the cluster, up or not. */
  readonly servers: () => readonly SimServer[]
  readonly leader: () => SimServer | undefined
}

type Act = () => void

export class Nemesis {
  readonly #deps: NemesisDeps
  #isOver = false

  constructor(deps: NemesisDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#deps.context.swarm.nemesisMean > 0) this.#next()
  }

  stop(): void {
    this.#isOver = true
  }

  #next(): void {
    const { context, rng } = this.#deps
    context.events.after(context.swarm.nemesisMean * 2 * rng.float(), () => {
      if (this.#isOver) return
      const act = rng.pick(this.#acts())
      act?.()
      this.#next()
    })
  }

  #acts(): readonly Act[] {
    const { faults, clock, disk } = this.#deps.context.swarm
    const acts: Act[] = []
    const when = (is: boolean, ...given: Act[]): void => {
      if (is) acts.push(...given)
    }
    when(faults.crashes, this.#crashOne, this.#crashOne, this.#crashAll)
    when(faults.armedCrashes, this.#crashAtPoint, this.#crashAtPoint, this.#crashSoon)
    when(faults.crashLoops, this.#crashLoop)
    when(faults.partitions, this.#partition, this.#partition, this.#heal)
    when(faults.swizzles, this.#swizzle)
    when(faults.clogs, this.#clog)
    when(faults.streamBreaks, this.#breakStream)
    when(faults.longAbsence, this.#longAbsence)
    when(clock.hasPauses, this.#pause, this.#pause)
    when(clock.hasWallJumps, this.#jumpWall)
    when(disk.hasWriteErrors, this.#failWrite)
    when(disk.hasDamage, this.#damage)
    return acts
  }

  readonly #crashOne = (): void => {
    const server = this.#victim()
    if (server?.isUp !== true) return
    server.crash(this.#kind())
    this.#restartLater(server)
  }

  readonly #crashAll = (): void => {
    const { rng, context } = this.#deps
    if (rng.float() < 0.7) return
    context.counters.add('fault.crash.all')
    for (const server of this.#deps.servers()) {
      if (!server.isUp) continue
      server.crash(this.#kind())
      this.#restartLater(server)
    }
  }

  readonly #crashSoon = (): void => {
    const server = this.#victim()
    if (server?.isUp !== true) return
    server.crashAfterEffects(this.#deps.rng.range(1, 12))
    this.#restartLater(server)
  }

  readonly #crashAtPoint = (): void => {
    const server = this.#victim()
    if (server?.isUp !== true) return
    server.crashAt(this.#deps.rng.pick(CRASH_POINTS) as CrashPoint)
    this.#restartLater(server)
  }

  readonly #crashLoop = (): void => {
    const { rng, context } = this.#deps
    const server = this.#victim()
    if (server === undefined) return
    context.counters.add('fault.crash.loop')
    let rounds = rng.range(3, 9)
    const round = (): void => {
      if (this.#isOver || rounds-- <= 0) return
      if (server.isUp) server.crash(this.#kind())
      this.#start(server)
      context.events.after(rng.range(1, 4) * context.electionUs * rng.float(), round)
    }
    round()
  }

  /** Away for so long that its log has to be replaced by an image. */
  readonly #longAbsence = (): void => {
    const { rng, context } = this.#deps
    const server = rng.pick(this.#deps.servers())
    if (server?.isUp !== true) return
    context.counters.add('fault.long-absence')
    server.crash(this.#kind())
    context.events.after(context.electionUs * rng.range(10, 60), () => this.#start(server))
  }

  readonly #failWrite = (): void => {
    const server = this.#victim()
    if (server?.isUp !== true) return
    server.failsNextWrite = true
    this.#restartLater(server)
  }

  /** Acknowledged entries of a server turn out unreadable when it comes back. */
  readonly #damage = (): void => {
    const { rng, context, servers } = this.#deps
    const server = rng.pick(servers())
    if (server === undefined || !this.#mayDamage(server)) return
    if (server.isUp) server.crash('kill')
    const { disk } = server
    this.#restartLater(server)
    if (disk.lastIndex <= disk.anchor.index) return
    const from = rng.range(Math.max(disk.anchor.index + 1, disk.lastIndex - 20), disk.lastIndex + 1)
    disk.damage(from)
    context.counters.add('fault.disk.damage')
  }

  readonly #pause = (): void => {
    const { rng, context } = this.#deps
    const server = this.#victim()
    server?.pause(context.electionUs * (rng.float() < 0.5 ? rng.float() : 4 * rng.float()))
  }

  readonly #jumpWall = (): void => {
    const { rng, context, servers } = this.#deps
    context.counters.add('fault.wall-jump')
    rng.pick(servers())?.clock.jumpWall()
  }

  readonly #heal = (): void => this.#deps.network.heal()

  readonly #partition = (): void => {
    const { rng, network, context, servers } = this.#deps
    network.heal()
    const victim = this.#victim()
    if (victim === undefined) return
    const others = rng.shuffle(servers().filter((server) => server !== victim))
    if (others.length === 0) return
    context.counters.add('fault.partition')
    const all = [victim, ...others]
    switch (rng.range(0, 6)) {
      case 0: {
        // Halves, or one alone when the size is 1.
        const size = rng.range(1, all.length)
        this.#cutBetween(all.slice(0, size), all.slice(size), true)
        break
      }
      case 1:
        this.#cutBetween([victim], others, true)
        break
      case 2: {
        context.counters.add('fault.partition.one-way')
        const [from, to] = rng.float() < 0.5 ? [[victim], others] : [others, [victim]]
        this.#cutBetween(from, to, false)
        break
      }
      case 3: {
        context.counters.add('fault.partition.ring')
        // Everybody sees a majority, no two see the same.
        const reach = Math.floor(all.length / 2)
        for (let i = 0; i < all.length; i++) {
          for (let j = i + 1; j < all.length; j++) {
            const distance = Math.min(j - i, all.length - (j - i))
            if (2 * distance > reach)
              this.#cutBetween([all[i] as SimServer], [all[j] as SimServer], true)
          }
        }
        break
      }
      case 4: {
        context.counters.add('fault.partition.bridge')
        const half = Math.ceil(others.length / 2)
        this.#cutBetween(others.slice(0, half), others.slice(half), true)
        break
      }
      default: {
        context.counters.add('fault.partition.stream')
        const stream = rng.pick(['append', 'heartbeat'] as const) ?? 'append'
        for (const other of others) {
          network.cut(victim.id, other.id, stream)
          if (rng.float() < 0.5) network.cut(other.id, victim.id, stream)
        }
      }
    }
    const { electionUs } = context
    context.events.after(electionUs * (0.5 + 12 * rng.float()), () => {
      if (!this.#isOver && rng.float() < 0.6) network.heal()
    })
  }

  /** Links stop one by one and come back in another order. */
  readonly #swizzle = (): void => {
    const { rng, network, context, servers } = this.#deps
    context.counters.add('fault.swizzle')
    const subset = rng.shuffle(servers()).slice(0, rng.range(1, servers().length + 1))
    const { electionUs } = context
    for (const server of subset) {
      const at = 3 * electionUs * rng.float()
      context.events.after(at, () => {
        if (!this.#isOver)
          this.#cutBetween(
            [server],
            servers().filter((o) => o !== server),
            true,
          )
      })
      context.events.after(at + 3 * electionUs + 3 * electionUs * rng.float(), () => {
        for (const other of servers()) {
          network.mend(server.id, other.id)
          network.mend(other.id, server.id)
        }
      })
    }
  }

  readonly #clog = (): void => {
    const { rng, network, context, servers } = this.#deps
    const [from, to] = rng.shuffle(servers())
    if (from === undefined || to === undefined) return
    network.clog(from.id, to.id, 3 * context.electionUs * rng.float())
  }

  readonly #breakStream = (): void => {
    const { rng, network, context, servers } = this.#deps
    const [from, to] = rng.shuffle(servers())
    if (from === undefined || to === undefined) return
    context.counters.add('fault.network.stream-break')
    network.breakStream(from.id, to.id)
  }

  #cutBetween(left: readonly SimServer[], right: readonly SimServer[], bothWays: boolean): void {
    for (const x of left) {
      for (const y of right) {
        this.#deps.network.cut(x.id, y.id)
        if (bothWays) this.#deps.network.cut(y.id, x.id)
      }
    }
  }

  #restartLater(server: SimServer): void {
    const { rng, context } = this.#deps
    const delay = context.electionUs * (rng.float() < 0.4 ? 0.3 : 10) * rng.float()
    context.events.after(delay, () => this.#start(server))
    // One that was to die at a place it never passed goes on; the plan is dropped.
    context.events.after(delay + 20 * context.electionUs, () => this.#start(server))
  }

  #start(server: SimServer): void {
    if (!this.#isOver && !server.isUp && !server.isRetired) server.start()
  }

  /** Leaders are hit more often than chance would: that is where decisions are lost. */
  #victim(): SimServer | undefined {
    const { rng, leader, servers } = this.#deps
    return rng.float() < 0.5 ? (leader() ?? rng.pick(servers())) : rng.pick(servers())
  }

  #kind(): 'kill' | 'power-cut' {
    return this.#deps.rng.float() < 0.5 ? 'kill' : 'power-cut'
  }

  #mayDamage(server: SimServer): boolean {
    const { oracle } = this.#deps.context
    const inForce = this.#deps.servers().flatMap((s) => s.core?.configuration ?? [])
    const sets = [
      oracle.committedConfiguration,
      ...oracle.uncommittedConfigurations,
      ...inForce.filter((configuration) => configuration.incoming.length > 0),
    ]
    const damaged = new Set(
      this.#deps
        .servers()
        .filter((s) => s.disk.damagedTo !== null)
        .map((s) => s.id),
    )
    damaged.add(server.id)
    return sets.every(({ incoming, outgoing }) => {
      return [incoming, outgoing].every((voters) => {
        const lost = voters.filter((id) => damaged.has(id)).length
        return lost === 0 || 2 * lost < voters.length
      })
    })
  }
}
