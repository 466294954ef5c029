/**
 * Clients that fight for one lock and, while they believe to hold it, write under its protection with the
 * session checked in the same transaction (verification 16.6).
 *
 * Acquire and release must be explained by a lock with one holder (L1), and the protected writes, in the
 * order of their indexes, must carry tokens (the lock's LockIndex) that never go back, one session each (L2).
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { checkLinearizability } from '../../history/linearizability.ts'
import { lockCodec, lockModel } from '../../history/lock-model.ts'
import { operationsOf } from '../../history/operations.ts'
import { type Answer, outcomeOf, pause } from './api-client.ts'
import { ClientPool } from './client-pool.ts'
import { HistoryRecorder } from './history.ts'
import type { Workload } from './workload.ts'

const CLIENTS = 3
const LOCK = 'lock/one'
const PROTECTED = 'lock/protected'
const PAUSE_MS = 80
/** With the servers gone for good nobody can free the lock. */
const DESTROY_TRIES_MAX = 250

interface ProtectedWrite {
  readonly index: number
  readonly token: number
  readonly session: string
}

export class LockWorkload implements Workload {
  readonly name = 'locks'
  readonly #clients: ClientPool
  readonly #history = new HistoryRecorder()
  readonly #writes: ProtectedWrite[] = []

  constructor(urls: readonly string[], rng: Rng) {
    this.#clients = new ClientPool(urls, rng)
  }

  start(): void {
    this.#clients.start(CLIENTS, () => this.#client())
  }

  async stop(): Promise<void> {
    await this.#clients.stop()
    this.#clients.close()
  }

  verdict(): Promise<string> {
    const report = checkLinearizability(operationsOf(this.#history.events, lockCodec), lockModel)
    const found = JSON.stringify(report.counterexample?.impossible)
    assert.equal(report.verdict, 'ok', `no lock explains ${found}`)
    const inOrder = this.#writes.toSorted((x, y) => x.index - y.index)
    for (const [i, write] of inOrder.entries()) {
      const before = inOrder[i - 1]
      if (before === undefined) continue
      const isSame = write.token === before.token && write.session === before.session
      const shown = JSON.stringify([before, write])
      assert.ok(write.token > before.token || isSame, `a fence was passed: ${shown}`)
    }
    assert.ok(inOrder.length > 0, 'nothing was written under the lock')
    return Promise.resolve(
      `${report.operations} operations on the lock are linearizable, ${inOrder.length} protected writes in order of their tokens`,
    )
  }

  async #client(): Promise<void> {
    while (!this.#clients.isStopped) {
      const session = await this.#createSession()
      if (session === undefined) await pause(PAUSE_MS)
      else await this.#hold(session)
    }
  }

  /** Fights with one session until an outcome is unknown; then ends it, so that the lock is free. */
  async #hold(session: string): Promise<void> {
    let process = this.#history.newProcess()
    let isKnown = true
    while (isKnown && !this.#clients.isStopped) {
      const acquired = await this.#change(process, 'acquire', session)
      isKnown = acquired !== undefined
      if (acquired === true) {
        await this.#writeProtected(session)
        isKnown = (await this.#change(process, 'release', session)) !== undefined
      }
      await pause(2 * PAUSE_MS * this.#clients.rng.float())
    }
    process = this.#history.newProcess()
    // To destroy a session is to release what it holds, whenever that happens.
    const event = { process, f: 'release', key: LOCK, value: session } as const
    this.#history.add({ ...event, type: 'invoke' })
    let isDestroyed = false
    for (let tries = 0; !isDestroyed && tries < DESTROY_TRIES_MAX; tries++) {
      const answer = await this.#clients.ask('PUT', `/v1/session/destroy/${session}`)
      isDestroyed = outcomeOf(answer) === 'ok'
      if (!isDestroyed) await pause(PAUSE_MS)
    }
    this.#history.add({ ...event, type: 'info' })
  }

  /** @returns whether it was done; undefined when that is not known */
  async #change(
    process: string,
    f: 'acquire' | 'release',
    session: string,
  ): Promise<boolean | undefined> {
    const event = { process, f, key: LOCK, value: session } as const
    this.#history.add({ ...event, type: 'invoke' })
    const path = `/v1/kv/${LOCK}?${f}=${session}`
    const answer = await this.#clients.ask('PUT', path, { body: session })
    const type = outcomeOf(answer)
    const isDone = answer.kind === 'answered' && answer.body.trim() === 'true'
    this.#history.add({ ...event, type, ...(type === 'ok' ? { value: isDone } : {}) })
    return type === 'info' ? undefined : isDone
  }

  async #writeProtected(session: string): Promise<void> {
    const lock = await this.#clients.ask('GET', `/v1/kv/${LOCK}?consistent`)
    const [entry] = entriesOf<{ Session?: string; LockIndex: number }>(lock)
    if (entry?.Session !== session) return
    const Value = Buffer.from(`${entry.LockIndex} ${session}`).toString('base64')
    const body = JSON.stringify([
      { KV: { Verb: 'check-session', Key: LOCK, Session: session } },
      { KV: { Verb: 'set', Key: PROTECTED, Value } },
    ])
    const answer = await this.#clients.ask('PUT', '/v1/txn', { body })
    if (answer.kind !== 'answered' || answer.status !== 200) return
    const { Results } = JSON.parse(answer.body) as {
      readonly Results: readonly { readonly KV: { readonly ModifyIndex: number } }[]
    }
    const index = Results.at(-1)?.KV.ModifyIndex
    if (index !== undefined) this.#writes.push({ index, token: entry.LockIndex, session })
  }

  async #createSession(): Promise<string | undefined> {
    const body = JSON.stringify({ Name: 'fight', NodeChecks: [], LockDelay: '0s' })
    const answer = await this.#clients.ask('PUT', '/v1/session/create', { body })
    if (answer.kind !== 'answered' || answer.status !== 200) return undefined
    return (JSON.parse(answer.body) as { readonly ID: string }).ID
  }
}

function entriesOf<T>(answer: Answer): readonly T[] {
  return answer.kind === 'answered' && answer.status === 200 ? JSON.parse(answer.body) : []
}
