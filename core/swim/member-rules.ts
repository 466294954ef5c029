/**
 * What alive, suspect and dead do to a member, and how this one defends itself (gossip.md 2.2 to 2.5, 5).
 *
 * Guarantees: per member, (incarnation, state) only moves forward in the order of precedence, but for one forgotten or
 * whose name was taken over (G2); a live member that hears itself accused has a higher incarnation at the end of
 * the turn (G10). Ours: a name is held by a host's id, so that a second host with the same name is refused
 * while the first lives, and the same host may come back at once under another address.
 * Bounds: CONFLICTS_MAX names with a recent conflict are remembered; ACCUSERS_MAX sources of an absurd accusation.
 */

import type { MemberRecord } from './member-table.ts'
import type { AliveMessage, DeadMessage, SuspectMessage } from './messages.ts'
import type { Pool } from './pool.ts'
import type { StatusRules } from './status-rules.ts'
import { Suspicion } from './suspicion.ts'
import { type MemberFacts, type NodeAddress, PROTOCOL_VERSIONS } from './types.ts'

/** An accusation further above our incarnation than this needs two sources: it may be forged to outrun us. */
const INCARNATION_JUMP_MAX = 2 ** 20
const INCARNATION_MAX = 2 ** 32 - 1
const ACCUSERS_MAX = 8
/** One notice for each name and time. */
const CONFLICT_NOTICE_MS = 60_000
const CONFLICTS_MAX = 256

export class MemberRules {
  readonly #pool: Pool
  readonly #status: StatusRules
  /** Who made accusations too far above our incarnation. */
  readonly #accusers = new Set<string>()
  /** When each name's conflict was last told. */
  readonly #conflicts = new Map<string, number>()

  constructor(pool: Pool, status: StatusRules) {
    this.#pool = pool
    this.#status = status
  }

  /** This member's own first word. */
  bootstrap(incarnation: number): void {
    const { self, table, now } = this.#pool
    table.setState(self, incarnation, 'alive', now)
    this.#status.onJoin(self)
    this.#sayAlive()
  }

  /**
   * @param source who passed it on: tells accusers apart, nothing else
   * @param isKnown the others know it already, so that it need not be passed on
   */
  onAlive(message: AliveMessage, source: string, isKnown = false): void {
    const { table, now } = this.#pool
    if (!isSpeakable(message)) return
    const known = table.get(message.name)
    if (known === this.#pool.self) {
      this.#onAliveSelf(message, source)
      return
    }
    const isElsewhere = known === undefined || hasMoved(known, message)
    if (isElsewhere && !this.#pool.isAllowed(message)) {
      this.#pool.counters.addressesRefused++
      return
    }
    if (known !== undefined) {
      const isTakeover = hasMoved(known, message) && known.id !== message.id
      if (isTakeover && !this.#isNameFree(known)) {
        this.noteConflict(known, message)
        return
      }
      const isOld = message.incarnation <= known.incarnation
      if (isOld && !isTakeover && !known.isForgotten) return
    }
    const record = known ?? table.insert(message, now)
    if (record === null) return // the table is full
    if (!isKnown) this.#pool.broadcast(record, message)
    this.#apply(record, message)
  }

  onSuspect(message: SuspectMessage, options: { readonly isRelayed: boolean }): void {
    const { table, self } = this.#pool
    const record = table.get(message.name)
    if (record === undefined || record.isForgotten) return
    if (message.incarnation < record.incarnation) return
    if (record === self) {
      if (!this.#pool.isLeaving) this.#refute(message.incarnation, message.from)
      return
    }
    if (record.suspicion !== null) {
      // What another heard of is no second witness (gossip.md 17.6).
      if (options.isRelayed || !record.suspicion.rules.confirm(message.from)) return
      this.#pool.broadcast(record, message)
      this.#armSuspicion(record)
      return
    }
    if (record.state !== 'alive') {
      if (!options.isRelayed) this.#setRight(record, message.from)
      return
    }
    this.#suspect(record, message)
  }

  onDead(message: DeadMessage): void {
    const { table, self, now } = this.#pool
    const record = table.get(message.name)
    if (record === undefined || record.isForgotten) return
    if (message.incarnation < record.incarnation) {
      if (record.state === 'alive') this.#setRight(record, message.from)
      return
    }
    if (record === self) {
      if (!this.#pool.isLeaving) this.#refute(message.incarnation, message.from)
      return
    }
    const byItself = message.from === message.name
    // Its own goodbye still counts when others were quicker to declare it dead (G9).
    if (!record.isLive && !(byItself && record.state === 'dead')) return
    this.#endSuspicion(record)
    this.#pool.broadcast(record, message)
    table.setState(record, message.incarnation, byItself ? 'left' : 'dead', now)
    this.#forgetLater(record)
    this.#status.onLeave(record, byItself)
  }

  /**
   * Who declared a live member dead had missed its objection, and who suspects a dead one its death. With all others
   * knowing better nobody would repeat that: it is told directly, and not only when tables are compared.
   */
  #setRight(record: MemberRecord, accuser: string): void {
    const { table, self, isLeaving } = this.#pool
    const wrong = table.get(accuser)
    if (wrong === undefined || wrong === self || wrong === record || !wrong.isLive) return
    const { name, incarnation } = record
    if (record.state === 'alive' && !(record === self && isLeaving)) {
      this.#pool.send(wrong, [{ kind: 'alive', ...factsOf(record), incarnation }])
    } else if (record.state === 'dead') {
      this.#pool.send(wrong, [{ kind: 'dead', name, incarnation, from: self.name }])
    }
  }

  /** The prober's verdict. */
  onProbeFailed(record: MemberRecord): void {
    const { self } = this.#pool
    const { name, incarnation } = record
    this.onSuspect({ kind: 'suspect', name, incarnation, from: self.name }, { isRelayed: false })
  }

  /** New tags of this member. */
  setMeta(meta: Uint8Array): void {
    const { self, table, now } = this.#pool
    self.assign({ ...factsOf(self), meta })
    table.setState(self, self.incarnation + 1, self.state, now)
    this.#sayAlive()
    this.#pool.changed(self, 'update')
  }

  /** This member's last word: it has left. */
  sayLeft(onDone: () => void): void {
    const { self, table, now } = this.#pool
    const { name, incarnation } = self
    this.#pool.broadcast(self, { kind: 'dead', name, incarnation, from: name }, onDone)
    table.setState(self, incarnation, 'left', now)
    this.#status.onLeave(self, true)
  }

  /** Whether another host may have the name now. */
  #isNameFree(holder: MemberRecord): boolean {
    const { timing, now } = this.#pool
    if (holder.state === 'left' || holder.status === 'left') return true
    return holder.state === 'dead' && now - holder.stateSince > timing.deadNodeReclaimMs
  }

  /** @returns why a newcomer cannot have this name, or be where it is; null when it can */
  objectionTo(newcomer: MemberFacts): string | null {
    if (!this.#pool.isAllowed(newcomer)) {
      return `its address ${newcomer.address} is in none of the networks of serf_lan_allowed_cidrs`
    }
    const holder = this.#pool.table.get(newcomer.name)
    if (holder === undefined) return null
    const isClone = holder === this.#pool.self && holder.id === newcomer.id
    if (isClone && hasMoved(holder, newcomer)) {
      return `node "${newcomer.name}" with the same id ${holder.id} runs at ${textOf(holder)}: a data directory serves one agent only`
    }
    if (holder.id === newcomer.id || !hasMoved(holder, newcomer)) return null
    if (holder !== this.#pool.self && this.#isNameFree(holder)) return null
    return `node name "${newcomer.name}" is in use by ${textOf(holder)} with node id ${holder.id}: set another node_name, or wait until that node has left`
  }

  noteConflict(holder: MemberRecord, claimant: NodeAddress): void {
    const { now, counters } = this.#pool
    counters.conflicts++
    const last = this.#conflicts.get(holder.name)
    if (last !== undefined && now - last < CONFLICT_NOTICE_MS) return
    if (this.#conflicts.size >= CONFLICTS_MAX) this.#conflicts.clear()
    this.#conflicts.set(holder.name, now)
    this.#pool.notice({
      kind: 'name-conflict',
      name: holder.name,
      holder: { address: holder.address, port: holder.port },
      claimant: { address: claimant.address, port: claimant.port },
    })
  }

  /** Somebody says that we are alive: an echo, a former run of ours, or another host with our name. */
  #onAliveSelf(message: AliveMessage, source: string): void {
    const { self, isLeaving } = this.#pool
    if (isLeaving) return
    if (hasMoved(self, message) && self.id !== message.id) {
      this.noteConflict(self, message)
      return
    }
    if (message.incarnation < self.incarnation) return
    if (message.incarnation === self.incarnation && isSame(self, message)) return
    this.#refute(message.incarnation, source)
  }

  #apply(record: MemberRecord, message: AliveMessage): void {
    const { table, now } = this.#pool
    this.#endSuspicion(record)
    record.forgetTimer?.cancel()
    record.digestTimer?.cancel()
    const wasLive = record.isLive
    const isUpdate = hasMoved(record, message) || !isEqual(record.meta, message.meta)
    record.assign(message)
    table.setState(record, message.incarnation, 'alive', now)
    if (!wasLive) this.#status.onJoin(record)
    else if (isUpdate) this.#pool.changed(record, 'update')
  }

  #suspect(record: MemberRecord, message: SuspectMessage): void {
    const { table, timing, now } = this.#pool
    this.#pool.broadcast(record, message)
    table.setState(record, message.incarnation, 'suspect', now)
    const rules = new Suspicion({ since: now, by: message.from, members: table.liveCount, timing })
    record.suspicion = { rules, timer: { cancel: () => {} } }
    this.#armSuspicion(record)
    this.#pool.notice({ kind: 'suspected', name: record.name, by: message.from })
  }

  #armSuspicion(record: MemberRecord): void {
    const { suspicion, stateSince } = record
    if (suspicion === null) return
    const { timers, self } = this.#pool
    suspicion.timer.cancel()
    suspicion.timer = timers.at(suspicion.rules.deadline, () => {
      // Looked at again: what this was about may have passed (gossip.md 17.4).
      if (record.state !== 'suspect' || record.stateSince !== stateSince) return
      const { name, incarnation } = record
      this.onDead({ kind: 'dead', name, incarnation, from: self.name })
    })
  }

  #endSuspicion(record: MemberRecord): void {
    record.suspicion?.timer.cancel()
    record.suspicion = null
  }

  /** The dead hear of their death for a while, so that one who lives can object; then it is over. */
  #forgetLater(record: MemberRecord): void {
    const { timing, table } = this.#pool
    record.forgetTimer?.cancel()
    record.forgetTimer = this.#pool.after(timing.gossipToTheDeadMs, () => table.forget(record))
  }

  #refute(accused: number, by: string): void {
    const { self, table, now, counters, health } = this.#pool
    if (!this.#isCredible(accused, by)) {
      counters.accusationsIgnored++
      return
    }
    this.#accusers.clear()
    table.setState(self, Math.max(self.incarnation, accused) + 1, 'alive', now)
    counters.refutations++
    health.change(1)
    this.#sayAlive()
    this.#pool.notice({ kind: 'refuted', by, incarnation: self.incarnation })
  }

  /** An incarnation far above ours may be forged so that nothing can come after it: two must say so. */
  #isCredible(accused: number, by: string): boolean {
    if (accused >= INCARNATION_MAX) return false
    if (accused - this.#pool.self.incarnation <= INCARNATION_JUMP_MAX) return true
    if (this.#accusers.size < ACCUSERS_MAX) this.#accusers.add(by)
    return this.#accusers.size >= 2
  }

  #sayAlive(): void {
    const { self } = this.#pool
    const { incarnation } = self
    this.#pool.broadcast(self, { kind: 'alive', ...factsOf(self), incarnation })
  }
}

function factsOf({ name, id, address, port, meta, versions }: MemberRecord): MemberFacts {
  return { name, id, address, port, meta, versions }
}

function isSpeakable({ versions: { min, max } }: AliveMessage): boolean {
  return min > 0 && max > 0 && min <= max
}

function hasMoved(record: NodeAddress, message: NodeAddress): boolean {
  return record.address !== message.address || record.port !== message.port
}

function isSame(record: MemberRecord, message: AliveMessage): boolean {
  const { min, max, current } = PROTOCOL_VERSIONS
  const { versions } = message
  return (
    !hasMoved(record, message) &&
    record.id === message.id &&
    versions.min === min &&
    versions.max === max &&
    versions.current === current &&
    isEqual(record.meta, message.meta)
  )
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function textOf({ address, port }: NodeAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
