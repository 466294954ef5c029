/**
 * One simulated server: the real core, append pipeline, tick source and compaction rule on models of disk,
 * network and clock.
 *
 * Does what server/raft/raft-engine.ts does, with virtual time in the place of promises: one turn feeds
 * completions, messages, ticks and proposals in this order and then performs all work that came up. Can be
 * paused, be slow, and die at any effect; comes back from its disk alone. Decides nothing about Raft.
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { RaftCore } from '../../../core/raft/raft-core.ts'
import {
  type AppendJob,
  type Batch,
  type InputOutcome,
  logIndex,
  type RaftInput,
} from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import { instant } from '../../../core/time.ts'
import { AppendPipeline } from '../../../server/raft/append-pipeline.ts'
import { TickSource } from '../../../server/raft/tick-source.ts'
import { beginRestore, scheduleApply } from './apply-queue.ts'
import { coreOptions } from './core-options.ts'
import { CrashPlan, type CrashPoint, DIED } from './crash-points.ts'
import { ImageHost } from './image-host.ts'
import type { Life } from './life.ts'
import { type CrashKind, ModelDisk } from './model-disk.ts'
import { RequestDesk } from './request-desk.ts'
import { ServerClock } from './server-clock.ts'
import { Snapshots } from './snapshots.ts'
import type { WorldContext } from './world-context.ts'

const INBOX_MAX = 4_096
const HINT_INTERVAL_US = 1_000_000

export class SimServer {
  readonly id: string
  readonly disk = new ModelDisk()
  readonly clock: ServerClock
  readonly #context: WorldContext
  readonly rng: Rng
  readonly #plan = new CrashPlan()
  #life: Life | null = null
  #boots = 0
  #blockedUntil = 0
  #isDisturbed = true
  #hang = 0
  /** Ends the write that is running. */
  #finishWrite: (() => void) | null = null
  /** Out of the cluster for good: it is not started again. */
  isRetired = false
  /** Its core has found that its disk forgot. */
  hasHalted = false
  /** The next write fails, and the process with it. */
  failsNextWrite = false

  constructor(id: string, context: WorldContext) {
    this.id = id
    this.#context = context
    this.rng = context.rng.fork(id)
    this.clock = new ServerClock(context.swarm.clock, context.events, this.rng.fork('clock'))
    this.#scheduleTick(this.rng.range(0, 10_000))
  }

  get life(): Life | null {
    return this.#life
  }

  get core(): RaftCore | null {
    return this.#life?.core ?? null
  }

  get isUp(): boolean {
    return this.#life !== null
  }

  get boots(): number {
    return this.#boots
  }

  get context(): WorldContext {
    return this.#context
  }

  /** Its disk, clock and processor may do what the run has drawn. */
  get isDisturbed(): boolean {
    return this.#isDisturbed
  }

  /** From now on its disk, clock and processor are healthy. */
  calm(): void {
    this.#isDisturbed = false
    this.#plan.clear()
    this.failsNextWrite = false
    this.#hang = 0
    this.clock.calm()
    // A write that hangs comes to its end now.
    const finish = this.#finishWrite
    if (finish !== null) this.#context.events.after(this.#context.swarm.disk.writeMean, finish)
  }

  start(): void {
    assert.equal(this.#life, null)
    const { swarm, oracle, machine: kind } = this.#context
    const { disk } = this
    this.#boots++
    const boot = this.#boots
    this.#blockedUntil = 0
    const image = disk.snapshot === null ? undefined : disk.image(disk.snapshot)
    assert.ok(disk.snapshot === null || image !== undefined, 'the image of the pointer is kept')
    const commit = Math.min(Math.max(disk.commitHint, disk.snapshot?.index ?? 0), disk.lastIndex)
    const core = new RaftCore(
      coreOptions(this.#context, { id: this.id, boot, startGrace: !disk.isEmpty && boot > 1 }),
      {
        hardState: { ...disk.hardState, commit: logIndex(commit) },
        snapshot: disk.snapshot,
        anchor: disk.anchor,
        entries: disk.entries().slice(),
        damagedTo: disk.damagedTo === null ? null : logIndex(disk.damagedTo),
      },
      this.rng.fork(`boot ${boot}`),
    )
    const life: Life = {
      boot,
      core,
      pipeline: new AppendPipeline({
        write: (jobs) => this.#write(jobs),
        send: (message) => this.#send(message),
      }),
      ticks: new TickSource({
        tickMs: 10,
        catchUpMax: swarm.heartbeatTicks,
        now: instant(this.clock.monotonicMs),
      }),
      images: new ImageHost(this),
      snapshots: new Snapshots(this),
      desk: new RequestDesk(this),
      machine: image === undefined ? kind.fresh() : kind.restored(image.bytes),
      applied: disk.snapshot?.index ?? 0,
      applyQueue: [],
      isApplying: false,
      restoring: null,
      imageWanted: null,
      wasRecovering: core.isRecovering,
      isEndingRecovery: false,
      ledTerm: null,
      seen: { term: core.term, leader: core.leader },
      hintedAt: 0,
      waiting: { completions: [], messages: [], requests: [] },
    }
    this.#life = life
    oracle.started(this.id, core, disk)
    this.#note('start', core.term, disk.lastIndex, commit)
    this.run(() => {})
  }

  /** A message arrives. */
  receive(message: RaftMessage): void {
    const life = this.#life
    if (life === null) return
    if (this.#isBlocked) {
      if (life.waiting.messages.length < INBOX_MAX) life.waiting.messages.push(message)
      return
    }
    this.run(() => this.handle({ kind: 'receive', message }))
  }

  /** Something local is done; never lost while this process lives. */
  complete(boot: number, work: () => void): void {
    const life = this.#life
    if (life === null || boot !== life.boot) return
    if (this.#isBlocked) life.waiting.completions.push(work)
    else this.run(work)
  }

  /** A client asks. */
  request(work: () => void): void {
    const life = this.#life
    if (life === null) return
    if (this.#isBlocked) life.waiting.requests.push(work)
    else this.run(work)
  }

  /** One input of the core: a step of the simulation. */
  handle(input: RaftInput): InputOutcome {
    const life = this.#life
    if (life === null) return { kind: 'rejected', reason: 'failed' }
    this.#context.stepped(this.id, input)
    const outcome = life.core.handle(input)
    this.#context.oracle.advanced(this.id, life.core)
    return outcome
  }

  /** Does `work` as this process, then performs all that came up. */
  run(work: () => void): void {
    const life = this.#life
    if (life === null) return
    try {
      work()
      this.#turn(life)
    } catch (thrown) {
      if (thrown !== DIED) throw thrown
    }
  }

  /** Work came up outside a turn's own loop. */
  again(): void {
    const life = this.#life
    if (life !== null) this.#pullAll(life)
  }

  /** Passes a place where a crash may happen. */
  passes(point: CrashPoint): void {
    if (!this.#plan.passes(point)) return
    this.#context.counters.add(`crash.${point}`)
    this.crash(this.rng.float() < 0.5 ? 'kill' : 'power-cut')
    throw DIED
  }

  crashAfterEffects(count: number): void {
    this.#plan.afterEffects(count)
  }

  crashAt(point: CrashPoint): void {
    this.#plan.at(point)
  }

  hangNextWrite(duration: number): void {
    this.#hang = duration
  }

  /** The process is gone at once. */
  crash(kind: CrashKind): void {
    const life = this.#life
    if (life === null) return
    this.#life = null
    this.#plan.clear()
    this.#context.counters.add(`fault.crash.${kind}`)
    this.#context.counters.add(`fault.crash.of-${life.core.role}`)
    this.disk.crash(kind, this.rng.float() < 0.5, this.rng.float() < 0.5)
    life.desk.died()
    this.#context.oracle.stopped(this.id)
    this.#note('died', life.core.term, this.disk.lastIndex)
  }

  /** The process does not run for a while; what arrives waits. */
  pause(duration: number): void {
    const life = this.#life
    if (life === null) return
    this.#context.counters.add('fault.pause')
    this.#note('pause', duration)
    this.#block(life, duration)
  }

  get #isBlocked(): boolean {
    return this.#context.events.now < this.#blockedUntil
  }

  #block(life: Life, duration: number): void {
    const until = this.#context.events.now + Math.ceil(duration)
    if (until <= this.#blockedUntil) return
    this.#blockedUntil = until
    this.#context.events.after(until - this.#context.events.now, () => {
      if (this.#life === life && !this.#isBlocked) this.#resume(life)
    })
  }

  /** In the order that the core demands: completions, messages, ticks, proposals. */
  #resume(life: Life): void {
    const { completions, messages, requests } = life.waiting
    life.waiting.completions = []
    life.waiting.messages = []
    life.waiting.requests = []
    this.run(() => {
      for (const completion of completions) completion()
      for (const message of messages) this.handle({ kind: 'receive', message })
      this.#feedTicks(life)
      for (const request of requests) request()
    })
  }

  #scheduleTick(delay: number): void {
    this.#context.events.after(delay, () => {
      const life = this.#life
      if (life !== null && !this.#isBlocked) {
        this.run(() => {
          this.#feedTicks(life)
          this.#writeHint(life)
        })
      }
      if (!this.isRetired) this.#scheduleTick(this.clock.usOfTick)
    })
  }

  #feedTicks(life: Life): void {
    const droppedBefore = life.ticks.dropped
    const due = life.ticks.due(instant(this.clock.monotonicMs))
    if (life.ticks.dropped > droppedBefore) {
      this.#context.counters.add('fault.stall')
      this.handle({ kind: 'stalled' })
    }
    for (let i = 0; i < due; i++) this.handle({ kind: 'tick' })
  }

  #turn(life: Life): void {
    if (life.isEndingRecovery) return
    const { core } = life
    if (life.wasRecovering && !core.isRecovering) {
      this.#endRecovery(life)
      return
    }
    this.#pullAll(life)
    this.#follow(life)
    life.images.judged(life.imageWanted)
    life.imageWanted = null
    life.desk.turn()
    const cost = this.#isDisturbed ? this.#context.swarm.clock.turnCostMax : 0
    if (cost > 0) this.#block(life, this.rng.range(0, cost))
  }

  #pullAll(life: Life): void {
    const { core } = life
    const { oracle } = this.#context
    // It must not matter whether peers hear of a commit index at once or with what follows.
    const news = { keepCommitNews: core.commit % 3 !== 0 }
    for (let batch = core.pull(news); batch !== null; batch = core.pull(news)) {
      if (batch.job !== null) oracle.job(this.id, batch.job)
      oracle.step(this.id, core, this.disk)
      this.#perform(life, batch)
    }
    oracle.step(this.id, core, this.disk)
    if (core.failure === null) return
    assert.ok(this.disk.isForgetful, `no correct server halts: ${this.id}: ${core.failure}`)
    // It was told that it holds what it lacks: it may not go on, and an operator has to take it out.
    this.#context.counters.add('event.forgetful-halts')
    this.hasHalted = true
    this.crash('kill')
    throw DIED
  }

  #perform(life: Life, batch: Batch): void {
    if (batch.job !== null && batch.job.snapshot !== null) life.snapshots.supersede()
    life.pipeline.push(batch)
    if (batch.restore !== null) beginRestore(this, life, batch.restore)
    if (batch.committed.length > 0) {
      for (const entry of batch.committed) life.applyQueue.push(entry)
      scheduleApply(this, life)
    }
    life.desk.confirmed(batch.reads, batch.readsFailed)
    for (const peer of batch.snapshotsWanted) life.images.wanted(peer)
    if (batch.snapshotOffered !== null) life.imageWanted = batch.snapshotOffered
  }

  #write(jobs: readonly AppendJob[]): void {
    const life = this.#life as Life
    const { swarm, events, counters } = this.#context
    this.passes('write.before')
    if (this.failsNextWrite) {
      this.failsNextWrite = false
      this.#failWrite(life)
    }
    this.disk.begin(jobs)
    let delay = swarm.disk.writeMean * 2 * this.rng.float()
    if (this.#isDisturbed && this.rng.float() < swarm.disk.stallChance) {
      counters.add('fault.disk.stall')
      delay += swarm.disk.stallMean * 2 * this.rng.float()
    }
    if (this.#hang > 0) {
      counters.add('fault.disk.hang')
      delay += this.#hang
      this.#hang = 0
    }
    const finish = (): void => {
      if (this.#life !== life || this.#finishWrite !== finish) return
      this.#finishWrite = null
      try {
        this.passes('write.before-sync')
        this.disk.complete()
        this.#note('wrote', this.disk.lastIndex, this.disk.hardState.term)
        this.passes('write.synced')
      } catch (thrown) {
        if (thrown !== DIED) throw thrown
      }
      this.complete(life.boot, () => {
        for (const token of life.pipeline.finished()) this.handle({ kind: 'appended', token })
      })
    }
    this.#finishWrite = finish
    events.after(delay, finish)
  }

  /** Fail-stop (15.1): the core is silenced, nothing leaves any more, and the process ends. */
  #failWrite(life: Life): never {
    this.#context.counters.add('fault.disk.write-error')
    life.core.handle({ kind: 'storage-failed', reason: 'the disk says EIO' })
    const words = life.core.pull()
    assert.equal(words?.job ?? null, null, 'a failed core writes nothing')
    assert.equal(words?.messages.length ?? 0, 0, 'a failed core says nothing')
    assert.equal(words?.messagesAfterAppend.length ?? 0, 0, 'a failed core says nothing')
    this.crash('kill')
    throw DIED
  }

  #send(message: RaftMessage): void {
    this.passes('send')
    this.#context.oracle.released(message, this.disk, (this.#life as Life).core)
    this.#context.send(message)
  }

  #writeHint(life: Life): void {
    const { now } = this.#context.events
    if (now - life.hintedAt < HINT_INTERVAL_US || life.core.commitHint <= this.disk.commitHint)
      return
    life.hintedAt = now
    this.disk.writeHint(life.core.commitHint)
    this.passes('hint.written')
  }

  /** The first vote or acknowledgement follows only when a crash cannot bring the doubt back. */
  #endRecovery(life: Life): void {
    life.wasRecovering = false
    life.isEndingRecovery = true
    this.#context.events.after(this.#context.swarm.disk.writeMean, () => {
      this.complete(life.boot, () => {
        this.disk.damagedTo = null
        this.#context.counters.add('event.recovered')
        this.passes('recovery.ended')
        life.isEndingRecovery = false
      })
    })
  }

  #follow(life: Life): void {
    const { core } = life
    const leads = core.role === 'leader' ? core.term : null
    if (life.ledTerm !== null && leads !== life.ledTerm) {
      life.desk.officeLost()
      life.images.officeLost()
    }
    life.ledTerm = leads
    if (core.term !== life.seen.term || core.leader !== life.seen.leader) {
      life.seen = { term: core.term, leader: core.leader }
      life.desk.leaderChanged()
    }
  }

  #note(what: string, a = 0, b = 0, c = 0): void {
    this.#context.trace.note(this.#context.events.now, this.id, what, a, b, c)
  }
}
