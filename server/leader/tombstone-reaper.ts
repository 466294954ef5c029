/**
 * Collects the tombstones of deleted keys, 15 minutes after the deletion, in buckets of 30 s (http-api.md 4).
 *
 * Guarantees: a tombstone lives at least its time to live on this leader; a new leader starts the time
 * anew for those it finds. Reaps are proposed only when something may have been deleted, so an idle
 * cluster's log does not grow.
 * Bound: TOMBSTONE_TTL_MS / TOMBSTONE_BUCKET_MS + 2 buckets.
 */

import type { Command, KvOp, TxnOp } from '../../core/catalog/commands.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock, Timer } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { AppliedCommand } from '../state-machine.ts'

export const TOMBSTONE_TTL_MS = 15 * 60_000
export const TOMBSTONE_BUCKET_MS = 30_000

export interface TombstoneReaperDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Index of the last command applied, for what an earlier leader left. */
  readonly lastIndex: () => number
  /** Removes tombstones up to and with `index`, through the log. */
  readonly reap: (index: number) => Promise<unknown>
}

export class TombstoneReaper {
  readonly #deps: TombstoneReaperDeps
  /** From the instant at which a bucket is due to the highest index in it; in order of time. */
  readonly #buckets = new Map<number, number>()
  #timer: Timer | undefined
  #isLeading = false

  constructor(deps: TombstoneReaperDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#isLeading = true
    this.#add(this.#deps.lastIndex())
  }

  /** Idempotent. */
  stop(): void {
    this.#isLeading = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#buckets.clear()
  }

  /** To be told of every applied command. */
  observe({ index, command, result }: AppliedCommand): void {
    if (this.#isLeading && result.ok && mayDeleteKeys(command)) this.#add(index)
  }

  #add(index: number): void {
    if (index <= 0) return
    const dueAt = this.#deps.clock.now() + TOMBSTONE_TTL_MS
    const bucket = Math.ceil(dueAt / TOMBSTONE_BUCKET_MS) * TOMBSTONE_BUCKET_MS
    this.#buckets.set(bucket, index)
    this.#arm()
  }

  #arm(): void {
    if (this.#timer !== undefined || !this.#isLeading) return
    const [first] = this.#buckets.keys()
    if (first === undefined) return
    this.#timer = this.#deps.clock.timer(instant(first), () => {
      this.#timer = undefined
      void this.#reap(first)
    })
  }

  async #reap(bucket: number): Promise<void> {
    const index = this.#buckets.get(bucket)
    this.#buckets.delete(bucket)
    this.#arm()
    if (index === undefined) return
    try {
      await this.#deps.reap(index)
    } catch (err) {
      // A later bucket reaps these too; if none comes, the next leader does.
      this.#deps.log.warn('cannot reap tombstones', { index, err })
    }
  }
}

/** True too often rather than too rarely: sessions that end may delete the keys they hold. */
function mayDeleteKeys(command: Command): boolean {
  switch (command.kind) {
    case 'kv':
      return isDelete(command.op.verb)
    case 'txn':
      return command.ops.some(mayDeleteInTxn)
    case 'session.destroy':
    case 'restore.end':
    case 'deregister':
      return true
    case 'register':
      return command.request.checks.some((check) => check.status === 'critical')
    default:
      return false
  }
}

function mayDeleteInTxn(op: TxnOp): boolean {
  if (op.type === 'kv') return isDelete(op.op.verb)
  return op.verb !== 'get'
}

function isDelete(verb: KvOp['verb'] | string): boolean {
  return verb === 'delete' || verb === 'delete-tree' || verb === 'delete-cas'
}
