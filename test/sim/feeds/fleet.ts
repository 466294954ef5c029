/**
 * Servers at different places of one log, and agents that follow topics on streams between them: the real ends of
 * the feeds with a network, servers and a clock that a seed moves.
 *
 * Truth is a store that has applied the whole log, and what each topic held after each entry.
 */

import assert from 'node:assert/strict'
import { MaterialisedView } from '../../../agent/view/materialised.ts'
import type { Command } from '../../../core/catalog/commands.ts'
import type { SubscriptionFrame, TopicKey } from '../../../core/catalog/feed.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import { FairleadError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/log.ts'
import type { Rng } from '../../../core/rng.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import type { ByteStream } from '../../../runtime/rpc/byte-stream.ts'
import { FeedClient } from '../../../runtime/rpc/feed-client.ts'
import { topicText } from '../../../runtime/rpc/feed-messages.ts'
import { FeedSessions } from '../../../server/feeds/feed-sessions.ts'

const EPOCH = 'c/1'
const DATACENTER = 'dc1'

/** One direction of a stream: bytes arrive in order, when the network lets them. */
class Lane {
  readonly #waiting: { readonly bytes: Buffer; readonly done: () => void }[] = []
  receiver: (bytes: Buffer) => void = () => {}

  write(bytes: Buffer, done: () => void): void {
    this.#waiting.push({ bytes, done })
  }

  deliver(count: number): void {
    for (const { bytes, done } of this.#waiting.splice(0, count)) {
      done()
      this.receiver(bytes)
    }
  }
}

/** Both ends of a stream. */
class Link {
  readonly up = new Lane()
  readonly down = new Lane()
  readonly #ended: ((error: FairleadError | null) => void)[] = []
  isOver = false

  end(error: FairleadError | null): void {
    if (this.isOver) return
    this.isOver = true
    for (const told of this.#ended) told(error)
  }

  half(out: Lane, into: Lane): ByteStream {
    return {
      write: (bytes, done) => {
        if (!this.isOver) out.write(bytes, done)
      },
      finish: () => {},
      end: (error) => this.end(error ?? LOST),
      onBytes: (receiver) => {
        into.receiver = (bytes) => {
          if (!this.isOver) receiver(bytes)
        }
      },
      onFinished: () => {},
      onEnd: (listener) => {
        this.#ended.push(listener)
        if (this.isOver) queueMicrotask(() => listener(LOST))
      },
      pause: () => {},
      resume: () => {},
    }
  }
}

const LOST = new FairleadError('NO_SERVERS', 'lost')

export class SimulatedServer {
  readonly store = new StateStore({ datacenter: DATACENTER, feeds: { historyItemsMax: 6 } })
  readonly sessions: FeedSessions
  #applied = 0

  constructor(log: readonly Command[], clock: ManualClock) {
    this.#log = log
    this.sessions = new FeedSessions({
      store: this.store,
      clock,
      hasLeader: () => true,
      start: {
        store: this.store,
        clock,
        epoch: () => EPOCH,
        ready: async () => {},
        catchUp: async () => {},
      },
    })
  }

  readonly #log: readonly Command[]

  apply(count: number): void {
    for (let i = 0; i < count && this.#applied < this.#log.length; i++) {
      const command = this.#log[this.#applied]
      this.#applied += 1
      if (command !== undefined) this.store.apply(this.#applied, command)
    }
  }
}

/** A view as agents have it, without its back-off. */
class FollowedTopic {
  readonly view = new MaterialisedView()
  readonly topic: TopicKey
  #seen = 0

  constructor(topic: TopicKey) {
    this.topic = topic
  }

  async follow(client: FeedClient, isStopped: () => boolean): Promise<void> {
    let mustBeginAnew = false
    while (!isStopped()) {
      const from = mustBeginAnew ? undefined : this.view.position
      mustBeginAnew = false
      const subscription = client.subscribe({ topic: this.topic, from })
      try {
        for await (const frame of subscription) {
          const outcome = this.#apply(frame, subscription.epoch)
          if (outcome === 'missed') mustBeginAnew = true
          if (outcome === 'missed' || outcome === 'behind') break
        }
      } catch {
        // The stream was lost, or the server is behind: again, from where it is.
      }
      subscription.close()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #apply(frame: SubscriptionFrame, epoch: string): string {
    const outcome = this.view.apply(frame, epoch)
    const seen = this.view.position?.index ?? 0
    assert.ok(
      seen >= this.#seen,
      `${topicText(this.topic)} went back from ${this.#seen} to ${seen}`,
    )
    this.#seen = seen
    return outcome
  }
}

export class SimulatedFleet {
  readonly log: Command[] = []
  readonly servers: readonly SimulatedServer[]
  readonly followed: readonly FollowedTopic[]
  readonly clock = new ManualClock()
  readonly #rng: Rng
  readonly #client: FeedClient
  readonly #truth = new StateStore({ datacenter: DATACENTER })
  /** By topic: what it held after each entry, as text. */
  readonly #held = new Map<string, string[]>()
  readonly #running: readonly Promise<void>[]
  #link: Link | undefined
  #isStopped = false

  constructor(rng: Rng, topics: readonly TopicKey[]) {
    this.#rng = rng
    this.servers = [1, 2, 3].map(() => new SimulatedServer(this.log, this.clock))
    this.#client = new FeedClient({
      clock: this.clock,
      rng: rng.fork('client'),
      log: silentLogger,
      members: () => 10,
      servers: () => this.servers.length,
      connect: async () => this.#connect(),
    })
    this.followed = topics.map((topic) => new FollowedTopic(topic))
    for (const topic of topics) {
      const view = new MaterialisedView()
      this.#truth.follow(topic, undefined, (frame) => view.apply(frame, EPOCH))
      this.#held.set(topicText(topic), [textOf(view.items)])
      this.#views.set(topicText(topic), view)
    }
    this.#running = this.followed.map((one) => one.follow(this.#client, () => this.#isStopped))
  }

  readonly #views = new Map<string, MaterialisedView<TopicKey['topic']>>()

  append(command: Command): void {
    this.log.push(command)
    this.#truth.apply(this.log.length, command)
    for (const [name, view] of this.#views) this.#held.get(name)?.push(textOf(view.items))
  }

  /** The network moves some messages on. */
  async deliver(count: number): Promise<void> {
    this.#link?.up.deliver(count)
    this.#link?.down.deliver(count)
    await turn()
  }

  cut(): void {
    this.#link?.end(LOST)
  }

  /** Claims 1 to 3 of gossip.md 15.6. */
  check(): void {
    for (const { view, topic } of this.followed) {
      const { position } = view
      if (position === undefined) continue
      const held = this.#held.get(topicText(topic)) ?? []
      const items = textOf(view.items)
      for (let index = view.index; index <= position.index; index++) {
        assert.equal(items, held[index], `${topicText(topic)} at ${index} of ${position.index}`)
      }
    }
  }

  /** Nothing is cut and all servers catch up: every view comes to the end of the log. */
  async settle(): Promise<void> {
    for (let i = 0; i < 400; i++) {
      for (const server of this.servers) server.apply(1000)
      this.clock.advance(500)
      await this.deliver(1000)
      if (this.followed.every(({ view }) => view.position?.index === this.log.length)) return
    }
    assert.fail('not all views have come to the end of the log')
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const stopped = this.#client.close(new FairleadError('SHUTTING_DOWN', 'over'))
    for (let i = 0; i < 10; i++) await turn()
    this.clock.advance(60_000)
    await stopped
    await Promise.all(this.#running)
    for (const { sessions } of this.servers) sessions.close()
  }

  #connect() {
    const server = this.#rng.pick(this.servers)
    assert.ok(server !== undefined)
    const link = new Link()
    this.#link = link
    server.sessions.accept(link.half(link.down, link.up))
    return {
      stream: link.half(link.up, link.down),
      address: 'server',
      giveUp: () => link.end(LOST),
      hasMoved: () => false,
    }
  }
}

function textOf(items: ReadonlyMap<string, unknown>): string {
  return JSON.stringify([...items].sort(([one], [other]) => (one < other ? -1 : 1)))
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
