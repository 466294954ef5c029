/**
 * An agent's one stream of feeds, to the server it has chosen, shared by all its subscriptions (gossip.md 15.3).
 *
 * Guarantees: while anything is subscribed there is a stream or one is being opened; a subscription that had
 * begun ends with NO_SERVERS when its stream does, and goes on where it was when it is made again; one that had
 * not begun waits for the next stream. After a lost stream an agent waits a random while, longer in large
 * fleets, so that a server that goes does not send all its agents to another at once. A newer subscription to
 * the same topic and key ends the older one.
 * Bounds: FRAMES_MAX unread frames a subscription, which then ends; BACKOFF_MAX_MS between attempts.
 */

import type { FeedPosition, SubscriptionFrame, TopicKey } from '../../core/catalog/feed.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { Subscription } from '../../core/rpc/server-api.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { ByteStream } from './byte-stream.ts'
import { FeedLag } from './feed-lag.ts'
import { decodeFromServer, encodeFeedMessage, type FromServer, topicText } from './feed-messages.ts'
import { FeedReader, type FeedReaderOptions } from './feed-reader.ts'

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 5_000
/** Three beats (server/feeds/feed-sessions.ts). */
export const SILENCE_MS = 15_000
/** What servers admit (server/feeds/feed-sessions.ts), and each of them. */
const RESUMED_PER_SECOND = 500

/** A stream and the server at its other end. */
export interface FeedConnection {
  readonly stream: ByteStream
  readonly address: string
  /** The server is of no use now; another is chosen next. */
  giveUp(): void
  /** It was this agent's own will to go elsewhere. */
  hasMoved(): boolean
}

export interface FeedClientDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** @throws FairleadError NO_SERVERS, or the abort reason */
  readonly connect: (signal: AbortSignal) => Promise<FeedConnection>
  readonly members: () => number
  readonly servers: () => number
  /** Of the agent's own token; absent without access control. */
  readonly secret?: () => string
}

/** What has happened since the start, and how things are. */
export interface FeedFigures {
  readonly indexLag: number
  readonly suspicions: number
  /** Null without a stream. */
  readonly silenceMs: number | null
  /** Null before the first. */
  readonly noticeAgeMs: number | null
  readonly streams: number
  readonly snapshots: number
  readonly resumptions: number
  readonly changes: number
  readonly moves: Readonly<Record<MoveReason, number>>
}

export type MoveReason = 'lagging' | 'silent' | 'unreadable' | 'busy'

export class FeedClient {
  readonly #deps: FeedClientDeps
  readonly #lag: FeedLag
  readonly #readers = new Map<string, FeedReader>()
  readonly #closing = new AbortController()
  #live: FeedConnection | undefined
  #running: Promise<void> | undefined
  /** Of what the last stream brought. */
  #epoch = ''
  #heardAt: Instant = instant(0)
  #silence: Timer | undefined
  #noticedAt: Instant | undefined
  readonly #counts = { streams: 0, snapshots: 0, resumptions: 0, changes: 0 }
  readonly #moves = { lagging: 0, silent: 0, unreadable: 0, busy: 0 }

  constructor(deps: FeedClientDeps) {
    this.#deps = deps
    this.#lag = new FeedLag({
      ...deps,
      ping: () => this.#send({ kind: 'ping' }),
      onLagging: () => this.#leaveLagging(),
    })
  }

  subscribe(options: FeedReaderOptions): Subscription {
    return new FeedReader(options, {
      onBegin: (reader) => this.#add(reader),
      onClose: (reader) => this.#remove(reader),
    })
  }

  get figures(): FeedFigures {
    const now = this.#deps.clock.now()
    return {
      ...this.#counts,
      moves: this.#moves,
      indexLag: this.#lag.lag,
      suspicions: this.#lag.suspicions,
      silenceMs: this.#live === undefined ? null : now - this.#heardAt,
      noticeAgeMs: this.#noticedAt === undefined ? null : now - this.#noticedAt,
    }
  }

  /** Somebody says how far the servers have come. What another epoch has says nothing about this stream. */
  noticed({ epoch, index }: FeedPosition): void {
    this.#noticedAt = this.#deps.clock.now()
    if (epoch === this.#epoch) this.#lag.noticed(index)
  }

  /** Ends every subscription with `reason`. Idempotent. */
  async close(reason: FairleadError): Promise<void> {
    this.#closing.abort(reason)
    this.#lag.stop()
    for (const reader of [...this.#readers.values()]) reader.end(reason)
    this.#live?.stream.end()
    await this.#running
  }

  #add(reader: FeedReader): void {
    const { signal } = this.#closing
    if (signal.aborted) {
      reader.end(toFairleadError(signal.reason))
      return
    }
    const name = topicText(reader.topic)
    const older = this.#readers.get(name)
    this.#readers.set(name, reader)
    older?.end(new FairleadError('BUSY', 'A newer subscription has taken the place of this one'))
    this.#follow(reader)
    this.#running ??= this.#run()
  }

  #remove(reader: FeedReader): void {
    const name = topicText(reader.topic)
    if (this.#readers.get(name) !== reader) return
    this.#readers.delete(name)
    this.#send({ kind: 'leave', topic: reader.topic })
  }

  #follow({ topic, from }: FeedReader): void {
    const secret = this.#deps.secret?.() ?? ''
    this.#send({
      kind: 'follow',
      topic,
      ...(from === undefined ? {} : { from }),
      ...(secret === '' ? {} : { secret }),
    })
  }

  /** Keeps a stream open until closed, or until nobody wants one when it ends. */
  async #run(): Promise<void> {
    const { clock, rng, log } = this.#deps
    const { signal } = this.#closing
    let failures = 0
    while (!signal.aborted && this.#readers.size > 0) {
      let wasServed = false
      try {
        const connection = await this.#deps.connect(signal)
        wasServed = await this.#serve(connection)
        // Moves are spread already, and for a server that is left there is no need to wait.
        if (connection.hasMoved()) continue
      } catch (err) {
        if (!signal.aborted) log.debug('no server feeds this agent', { err })
      }
      failures = wasServed ? 0 : failures + 1
      const backoffMs = wasServed ? 0 : BACKOFF_FIRST_MS * 2 ** Math.min(failures, 16)
      const spreadMs = Math.max(this.#spreadMs(), Math.min(BACKOFF_MAX_MS, backoffMs))
      await clock.sleep(1 + rng.float() * spreadMs, signal).catch(() => {}) // closed: the loop ends
    }
    // In the same turn as the last look: who subscribes next begins anew.
    this.#running = undefined
  }

  /** So that all agents of one server, on their way to the others, are no more than those admit. */
  #spreadMs(): number {
    const { members, servers } = this.#deps
    return (members() / (RESUMED_PER_SECOND * Math.max(1, servers()))) * 1000
  }

  /** Resolves when the stream is over. @returns whether the server had said anything */
  async #serve(connection: FeedConnection): Promise<boolean> {
    const { log } = this.#deps
    const { promise, resolve } = Promise.withResolvers<FairleadError>()
    let wasServed = false
    const { stream } = connection
    stream.onEnd((error) => resolve(error ?? LOST))
    this.#heardAt = this.#deps.clock.now()
    this.#watchSilence(connection)
    stream.onBytes((bytes) => {
      this.#heardAt = this.#deps.clock.now()
      if (!wasServed) {
        log.info('fed by a server', { peer: connection.address })
        this.#counts.streams += 1
      }
      wasServed = true
      this.#receive(connection, bytes)
    })
    this.#live = connection
    for (const reader of this.#readers.values()) this.#follow(reader)
    const error = await promise
    this.#live = undefined
    this.#silence?.cancel()
    this.#lag.reached(undefined)
    // Too many agents at once is no reason to go elsewhere, where there are as many.
    if (error.code !== 'BUSY') connection.giveUp()
    for (const reader of [...this.#readers.values()]) {
      if (reader.hasBegun) reader.end(error)
    }
    log.debug('stream of feeds ended', { peer: connection.address, err: error })
    return wasServed
  }

  /** A server that is silent for three of its beats is gone, whatever the connection says. */
  #watchSilence(connection: FeedConnection): void {
    const { clock, log } = this.#deps
    this.#silence = clock.timer(instant(this.#heardAt + SILENCE_MS), () => {
      if (this.#live !== connection) return
      if (clock.now() - this.#heardAt < SILENCE_MS) {
        this.#watchSilence(connection)
        return
      }
      log.warn('the server has fallen silent, moving to another', { peer: connection.address })
      this.#moves.silent += 1
      connection.giveUp()
      connection.stream.end()
    })
  }

  #receive(connection: FeedConnection, bytes: Buffer): void {
    try {
      this.#take(decodeFromServer(bytes))
    } catch (err) {
      this.#deps.log.warn('cannot read what a server sends', { peer: connection.address, err })
      this.#moves.unreadable += 1
      connection.giveUp()
      connection.stream.end()
    }
  }

  #take(message: FromServer): void {
    switch (message.kind) {
      case 'bookmark': {
        // A server that knows of no leader may not know all there is.
        if (message.hasLeader) this.#lag.reached(message.index)
        for (const reader of this.#readers.values()) if (reader.hasBegun) reader.push(message)
        return
      }
      case 'resumed': {
        const { index, epoch } = message
        this.#counts.resumptions += 1
        this.#begun(message.topic, epoch, { kind: 'bookmark', index, hasLeader: true })
        return
      }
      case 'frame': {
        const { frame, topic, epoch } = message
        if (frame.kind === 'snapshot') {
          this.#counts.snapshots += 1
          this.#begun(topic, epoch, frame)
        } else {
          this.#counts.changes += 1
          const reader = this.#readers.get(topicText(topic))
          if (reader?.hasBegun === true) reader.push(frame)
        }
        return
      }
      case 'refused':
        this.#refused(message)
        return
      default:
        message satisfies never // of a newer server: not for us
    }
  }

  #begun(topic: TopicKey, epoch: string, frame: SubscriptionFrame): void {
    this.#epoch = epoch
    this.#readers.get(topicText(topic))?.begin(epoch, frame)
  }

  #refused({ topic, code, message }: Extract<FromServer, { kind: 'refused' }>): void {
    const reader = this.#readers.get(topicText(topic))
    reader?.end(new FairleadError(code, message))
    // Behind what we have seen, or on its way out: another server is a better one.
    if (code !== 'BUSY' && code !== 'SHUTTING_DOWN') return
    this.#moves.busy += 1
    this.#live?.giveUp()
  }

  #leaveLagging(): void {
    const live = this.#live
    if (live === undefined) return
    this.#moves.lagging += 1
    this.#deps.log.warn('the server lags behind the others, moving to another', {
      peer: live.address,
    })
    live.giveUp()
    live.stream.end()
  }

  #send(message: Parameters<typeof encodeFeedMessage>[0]): void {
    this.#live?.stream.write(encodeFeedMessage(message), () => {})
  }
}

const LOST = new FairleadError('NO_SERVERS', 'rpc error making call: the server ended the feeds')
