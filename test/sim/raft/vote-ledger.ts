/**
 * Who voted for whom, ever, and in which terms servers have spoken (I7, I8, I11, I12).
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { ModelDisk } from './model-disk.ts'

export class VoteLedger {
  readonly #grants = new Map<string, string>()
  readonly #spokenTerm = new Map<string, number>()

  restarted(id: string, term: number): void {
    // A term that was never durable and never spoken may be forgotten by a crash; a spoken one may not.
    assert.ok(term >= (this.#spokenTerm.get(id) ?? 0), `I8: ${id} forgot its term`)
  }

  /** Its disk has lost what it said: it may say otherwise now. */
  forgive(id: string): void {
    this.#spokenTerm.delete(id)
    for (const key of [...this.#grants.keys()]) {
      if (key.startsWith(`${id}/`)) this.#grants.delete(key)
    }
  }

  released(message: RaftMessage, disk: ModelDisk): void {
    this.#checkTerm(message, disk)
    if (message.kind === 'vote-reply' && message.granted) {
      this.#grant(message.from, message.term, message.to, disk)
    }
    if (message.kind === 'vote') this.#grant(message.from, message.term, message.from, disk)
  }

  #grant(voter: string, term: number, candidate: string, disk: ModelDisk): void {
    const key = `${voter}/${term}`
    const other = this.#grants.get(key)
    assert.ok(
      other === undefined || other === candidate,
      `I7: ${voter} votes for ${other} and ${candidate} in term ${term}`,
    )
    this.#grants.set(key, candidate)
    const { hardState } = disk
    const isDurable =
      hardState.term > term || (hardState.term === term && hardState.vote === candidate)
    assert.ok(isDurable, `I11: a vote of ${voter} leaves before it is durable`)
  }

  #checkTerm(message: RaftMessage, disk: ModelDisk): void {
    if (message.kind === 'pre-vote') return
    if (message.kind === 'pre-vote-reply' && message.granted) return
    const before = this.#spokenTerm.get(message.from) ?? 0
    assert.ok(message.term >= before, `I12: ${message.from} speaks in an earlier term`)
    assert.ok(disk.hardState.term >= message.term, `I12: ${message.from} speaks in a volatile term`)
    this.#spokenTerm.set(message.from, message.term)
  }
}
