/**
 * An operator who changes the cluster all the time: servers join as learners, are promoted, demoted,
 * replaced, renamed and removed, and leadership is handed about. Also asks for what must be refused.
 */

import type { ConfigurationChange, MemberChange } from '../../../core/raft/configuration.ts'
import { serverId } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import type { SimServer } from './sim-server.ts'
import type { WorldContext } from './world-context.ts'

export interface MembershipDeps {
  readonly context: WorldContext
  readonly rng: Rng
  readonly servers: () => readonly SimServer[]
  readonly leader: () => SimServer | undefined
  /** A new server with an empty disk, started. */
  readonly join: () => SimServer
  /** Whether the act of this number takes place. */
  readonly isWanted: (act: number) => boolean
}

const MEMBERS_MAX = 8
const SERVERS_MAX = 14

export class MembershipDriver {
  readonly #deps: MembershipDeps
  #isOver = false
  #made: number
  #addresses = 0
  #done = 0

  constructor(deps: MembershipDeps) {
    this.#deps = deps
    this.#made = deps.servers().length
  }

  /** Acts so far, those left out among them. */
  get acts(): number {
    return this.#done
  }

  start(): void {
    this.#next()
  }

  stop(): void {
    this.#isOver = true
  }

  #next(): void {
    const { context, rng } = this.#deps
    context.events.after(context.swarm.membershipMean * 2 * rng.float(), () => {
      if (this.#isOver) return
      const number = this.#done++
      // Its own generator: an act that is left out changes nothing about the others.
      if (this.#deps.isWanted(number)) this.#act(rng.fork(`act ${number}`))
      this.#next()
    })
  }

  /**
   * Takes out a server that lost what it had acknowledged: the leader has found it, or it halted itself (10.6).
   *
   * @returns whether there is one
   */
  relieve(): boolean {
    const leader = this.#deps.leader()
    const { core } = leader ?? {}
    if (leader === undefined || core == null) return false
    // One that was filled up again, by a leader that did not know, holds everything and may stay.
    const halted = this.#deps.servers().flatMap(({ id, hasHalted, disk }) => {
      return hasHalted && disk.isForgetful ? id : []
    })
    const lost = [...core.peers].find(([id, peer]) => peer.isAmnesiac || halted.includes(id))
    if (lost === undefined) return false
    leader.request(() => {
      const isJoint = core.configuration.outgoing.length > 0
      const change: ConfigurationChange = isJoint
        ? { kind: 'leave-joint' }
        : { kind: 'simple', change: { kind: 'remove', id: lost[0] } }
      const outcome = leader.handle({ kind: 'propose-config', change })
      this.#deps.context.counters.add(`config.amnesiac.${outcome.kind}`)
    })
    return true
  }

  #act(rng: Rng): void {
    const { context } = this.#deps
    const leader = this.#deps.leader()
    if (leader === undefined) return
    // Taking voters out while another is getting back lost data may leave a quorum that cannot decide, and
    // who lost data without knowing must not become one.
    if (this.#deps.servers().some(({ disk }) => disk.damagedTo !== null || disk.isForgetful)) {
      if (rng.float() < 0.5) this.relieve()
      return
    }
    const { swarm } = context
    if (swarm.hasTransfers && (!swarm.hasMembership || rng.float() < 0.4)) {
      this.#transfer(leader, rng)
      return
    }
    if (!swarm.hasMembership) return
    const change = this.#drawChange(leader, rng)
    if (change === null) return
    const insists = rng.float() < 0.2
    leader.request(() => {
      if (this.#isOver) return
      const outcome = leader.handle({ kind: 'propose-config', change })
      context.counters.add(`config.${change.kind}.${outcome.kind}`)
      // What was refused as too daring is sometimes wanted all the same.
      if (!insists || outcome.kind !== 'rejected' || change.kind !== 'simple') return
      if (change.change.kind === 'remove' || change.change.kind === 'address') return
      const forced = leader.handle({ kind: 'propose-config', change: { ...change, force: true } })
      context.counters.add(`config.forced.${forced.kind}`)
    })
  }

  #transfer(leader: SimServer, rng: Rng): void {
    const { context } = this.#deps
    const others = this.#deps.servers().filter((server) => server !== leader)
    const target = rng.float() < 0.3 ? null : (rng.pick(others)?.id ?? null)
    leader.request(() => {
      const outcome = leader.handle({
        kind: 'transfer',
        target: target === null ? null : serverId(target),
      })
      context.counters.add(`transfer.${outcome.kind}`)
    })
  }

  #drawChange(leader: SimServer, rng: Rng): ConfigurationChange | null {
    const configuration = leader.core?.configuration
    if (configuration === undefined) return null
    if (configuration.outgoing.length > 0) return { kind: 'leave-joint' }
    const voters = configuration.incoming
    const { learners } = configuration
    const count = voters.length + learners.length
    const addressOf = (id: string): string => {
      return configuration.addresses.find((member) => member.id === id)?.address ?? `${id}:1`
    }
    const member = (kind: 'voter' | 'learner', id: string): MemberChange => {
      return { kind, id: serverId(id), address: addressOf(id) }
    }
    const force = rng.float() < 0.03
    const draw = rng.float()
    if (draw < 0.25 && count < MEMBERS_MAX) return this.#simple(this.#newcomer(rng), force)
    if (draw < 0.5 && learners.length > 0) {
      return this.#simple(member('voter', rng.pick(learners) as string), force)
    }
    if (draw < 0.58 && voters.length > 1) {
      return this.#simple(member('learner', rng.pick(voters) as string), force)
    }
    if (draw < 0.72 && voters.length > 2) {
      return this.#simple({ kind: 'remove', id: serverId(rng.pick(voters) as string) }, false)
    }
    if (draw < 0.78 && learners.length > 0) {
      return this.#simple({ kind: 'remove', id: serverId(rng.pick(learners) as string) }, false)
    }
    if (draw < 0.83) {
      const id = serverId(rng.pick(voters) as string)
      return this.#simple(
        { kind: 'address', id, address: `${id}:${100 + ++this.#addresses}` },
        false,
      )
    }
    if (draw < 0.86) return { kind: 'leave-joint' }
    return this.#joint({ voters, learners, member }, rng)
  }

  /** Replaces one or several voters at once. */
  #joint(
    given: {
      readonly voters: readonly string[]
      readonly learners: readonly string[]
      readonly member: (kind: 'voter' | 'learner', id: string) => MemberChange
    },
    rng: Rng,
  ): ConfigurationChange | null {
    const { voters, learners, member } = given
    const changes: MemberChange[] = []
    for (const learner of learners) if (rng.float() < 0.7) changes.push(member('voter', learner))
    const outs = rng.shuffle(voters).slice(0, rng.range(0, Math.max(1, voters.length - 1)))
    for (const id of outs) {
      changes.push(rng.float() < 0.5 ? { kind: 'remove', id: serverId(id) } : member('learner', id))
    }
    if (changes.length === 0) return null
    return { kind: 'enter-joint', changes, autoLeave: rng.float() < 0.7 }
  }

  #simple(change: MemberChange | null, force: boolean): ConfigurationChange | null {
    if (change === null) return null
    return force ? { kind: 'simple', change, force } : { kind: 'simple', change }
  }

  #newcomer(rng: Rng): MemberChange | null {
    if (this.#made >= SERVERS_MAX) return null
    this.#made++
    const server = this.#deps.join()
    const kind = rng.float() < 0.85 ? 'learner' : 'voter'
    return { kind, id: serverId(server.id), address: `${server.id}:1` }
  }
}
