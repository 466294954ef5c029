/**
 * Transactions over append lists through `/v1/txn`: each reads two keys, then in one transaction appends to
 * the first if it is unchanged and asserts that the second is; others read both at one moment. The history
 * must have no cycle of dependencies (verification 16.4).
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { checkCycles } from '../../history/dependency-cycles.ts'
import { listCodec } from '../../history/list-model.ts'
import { operationsOf } from '../../history/operations.ts'
import { outcomeOf, pause } from './api-client.ts'
import { ClientPool } from './client-pool.ts'
import { HistoryRecorder } from './history.ts'
import type { Workload } from './workload.ts'

const CLIENTS = 3
const KEYS = 3
/** Lists stay short: after so many transactions all go on with new ones. */
const TRANSACTIONS_PER_GENERATION = 150
const PAUSE_MS = 50

interface List {
  readonly values: readonly string[]
  readonly modifyIndex: number
}

interface ResultEntry {
  readonly KV: { readonly Value: string | null; readonly ModifyIndex: number }
}

export class ListWorkload implements Workload {
  readonly name = 'append lists in transactions'
  readonly #clients: ClientPool
  readonly #history = new HistoryRecorder()
  #counter = 0

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
    const report = checkCycles(operationsOf(this.#history.events, listCodec))
    assert.equal(report.verdict, 'ok', JSON.stringify(report))
    const done = this.#history.count('ok')
    assert.ok(done > 0, 'no transaction was done: nothing was checked')
    return Promise.resolve(
      `${this.#history.count('invoke')} transactions, ${done} done, ${this.#history.count('info')} of unknown outcome, no cycle`,
    )
  }

  async #client(): Promise<void> {
    let process = this.#history.newProcess()
    while (!this.#clients.isStopped) {
      const number = ++this.#counter
      const generation = Math.floor(number / TRANSACTIONS_PER_GENERATION)
      const [a, b] = this.#clients.rng
        .shuffle(Array.from({ length: KEYS }, (_, i) => `list/${generation}-${i}`))
        .slice(0, 2) as [string, string]
      const isKnown =
        this.#clients.rng.float() < 0.4
          ? await this.#readBoth(process, a, b)
          : await this.#append(process, a, b, `t${number}`)
      if (!isKnown) process = this.#history.newProcess()
      await pause(PAUSE_MS)
    }
  }

  async #readBoth(process: string, a: string, b: string): Promise<boolean> {
    const wanted = [
      ['r', a, null],
      ['r', b, null],
    ]
    this.#history.add({ process, type: 'invoke', f: 'txn', value: wanted })
    const lists = await this.#fetch(a, b)
    const value =
      lists === undefined ? wanted : [a, b].map((key, i) => ['r', key, lists[i]?.values])
    this.#history.add({ process, type: lists === undefined ? 'fail' : 'ok', f: 'txn', value })
    return true
  }

  async #append(process: string, a: string, b: string, value: string): Promise<boolean> {
    const append = ['append', a, value]
    const event = { process, f: 'txn', value: [['r', a, null], append, ['r', b, null]] } as const
    this.#history.add({ ...event, type: 'invoke' })
    const lists = await this.#fetch(a, b)
    if (lists === undefined) {
      this.#history.add({ ...event, type: 'fail' })
      return true
    }
    const [first, second] = lists
    const text = Buffer.from([...first.values, value].join(' ')).toString('base64')
    const unchanged =
      second.modifyIndex === 0
        ? { Verb: 'check-not-exists', Key: b }
        : { Verb: 'check-index', Key: b, Index: second.modifyIndex }
    const body = JSON.stringify([
      { KV: { Verb: 'cas', Key: a, Value: text, Index: first.modifyIndex } },
      { KV: unchanged },
    ])
    const answer = await this.#clients.ask('PUT', '/v1/txn', { body })
    const type = outcomeOf(answer)
    const seen = [['r', a, first.values], append, ['r', b, second.values]]
    this.#history.add({ ...event, type, ...(type === 'ok' ? { value: seen } : {}) })
    return type !== 'info'
  }

  async #fetch(a: string, b: string): Promise<readonly [List, List] | undefined> {
    const body = JSON.stringify([a, b].map((Key) => ({ KV: { Verb: 'get-or-empty', Key } })))
    const answer = await this.#clients.ask('PUT', '/v1/txn', { body })
    if (answer.kind !== 'answered' || answer.status !== 200) return undefined
    const { Results } = JSON.parse(answer.body) as { readonly Results: readonly ResultEntry[] }
    return Results.map(({ KV }) => {
      const text = Buffer.from(KV.Value ?? '', 'base64').toString()
      return { values: text === '' ? [] : text.split(' '), modifyIndex: KV.ModifyIndex ?? 0 }
    }) as unknown as readonly [List, List]
  }
}
