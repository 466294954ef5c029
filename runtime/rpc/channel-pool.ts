/**
 * Connections to other servers by address, kept while they are used.
 *
 * Guarantees: two uses of one address at the same time share a connection; one that nobody has used for
 * IDLE_MS is closed. A channel mends itself, so that a lost connection is made again by its next use.
 * Bound: CHANNELS_MAX; beyond it those that are idle are closed first.
 */

import { FairleadError } from '../../core/errors.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { DialTls } from '../tls/rpc-tls.ts'
import { type Keepalive, RpcChannel } from './rpc-channel.ts'

const IDLE_MS = 60_000
const CHANNELS_MAX = 256
/** Shorter than agents' connections have: a leader that is gone holds up writes. */
const KEEPALIVE: Keepalive = { everyMs: 5_000, timeoutMs: 5_000, idleMs: 2 * IDLE_MS }

interface Pooled {
  readonly channel: Promise<RpcChannel>
  uses: number
  idle: Timer | null
  readonly tlsVersion: number | undefined
}

export class ChannelPool {
  readonly #clock: Clock
  readonly #tls: DialTls
  readonly #channels = new Map<string, Pooled>()
  #isClosed = false

  constructor(clock: Clock, tls: DialTls = () => undefined) {
    this.#clock = clock
    this.#tls = tls
  }

  get size(): number {
    return this.#channels.size
  }

  /** @throws FairleadError SHUTTING_DOWN, or what `work` throws */
  async use<T>(address: string, work: (channel: RpcChannel) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
    const pooled = this.#take(address)
    try {
      return await work(await pooled.channel)
    } finally {
      this.#giveBack(address, pooled)
    }
  }

  /** A channel that cannot connect waits before it tries again; the next use shall not wait with it. */
  discard(channel: RpcChannel): void {
    const pooled = this.#channels.get(channel.address)
    void pooled?.channel.then((current) => {
      if (current === channel) this.#drop(channel.address, pooled)
    })
  }

  /** Calls that run fail as lost. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const all = [...this.#channels]
    for (const [address, pooled] of all) this.#drop(address, pooled)
    await Promise.allSettled(all.map(([, { channel }]) => channel))
  }

  #take(address: string): Pooled {
    const tls = this.#tls()
    let pooled = this.#channels.get(address)
    if (pooled !== undefined && pooled.tlsVersion !== tls?.version) {
      this.#retire(address, pooled)
      pooled = undefined
    }
    if (pooled === undefined) {
      this.#makeRoom()
      const channel = RpcChannel.open(address, this.#clock, { keepalive: KEEPALIVE, tls })
      pooled = { channel, uses: 0, idle: null, tlsVersion: tls?.version }
      this.#channels.set(address, pooled)
    }
    pooled.uses += 1
    pooled.idle?.cancel()
    pooled.idle = null
    return pooled
  }

  #giveBack(address: string, pooled: Pooled): void {
    pooled.uses -= 1
    if (pooled.uses > 0 || this.#channels.get(address) !== pooled) return
    const at = instant(this.#clock.now() + IDLE_MS)
    pooled.idle = this.#clock.timer(at, () => this.#drop(address, pooled))
  }

  #makeRoom(): void {
    if (this.#channels.size < CHANNELS_MAX) return
    for (const [address, pooled] of this.#channels) {
      if (pooled.uses === 0) this.#drop(address, pooled)
    }
  }

  /** Made with certificates that were renewed: what runs on it may end. */
  #retire(address: string, pooled: Pooled): void {
    pooled.idle?.cancel()
    pooled.idle = null
    this.#channels.delete(address)
    void pooled.channel.then(
      (channel) => channel.retire(() => {}),
      () => undefined,
    )
  }

  #drop(address: string, pooled: Pooled): void {
    pooled.idle?.cancel()
    pooled.idle = null
    if (this.#channels.get(address) === pooled) this.#channels.delete(address)
    void pooled.channel.then(
      (channel) => channel.close(),
      () => undefined,
    )
  }
}
