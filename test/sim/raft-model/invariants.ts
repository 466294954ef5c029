/**
 * The invariants of the Raft specification, section 18, as far as they can be seen in a model's state.
 *
 * Remembers the history of one path; shares no code with the core's quorums, logs or trackers.
 */

import assert from 'node:assert/strict'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { Entry, SnapshotMeta } from '../../../core/raft/types.ts'
import type { ScenarioServer } from '../../scenarios/raft/scenario-server.ts'

export class Invariants {
  readonly #leaders = new Map<number, string>()
  readonly #grants = new Map<string, string>()
  readonly #chains = new Map<string, number>()
  readonly #committed = new Map<number, number>()
  readonly #applied = new Map<string, number>()
  /** Highest index that was seen committed in each term. */
  readonly #committedIn = new Map<number, number>()

  check(server: ScenarioServer): void {
    const { core, id } = server
    assert.equal(core.failure, null, `no correct server halts: ${core.failure}`)
    assert.ok(core.applied <= core.commit && core.commit <= core.last.index, `I9 at ${id}`)
    this.#checkLog(server)
    if (core.role === 'leader') this.#checkLeader(server)
    const seen = this.#committedIn.get(core.term) ?? 0
    this.#committedIn.set(core.term, Math.max(seen, core.commit))
  }

  released(message: RaftMessage): void {
    if (message.kind === 'vote') this.#grant(message.from, message.term, message.from)
    if (message.kind === 'vote-reply' && message.granted) {
      this.#grant(message.from, message.term, message.to)
    }
  }

  applied(server: ScenarioServer, restored: SnapshotMeta | null, entries: readonly Entry[]): void {
    let last = restored?.index ?? this.#applied.get(server.id) ?? 0
    for (const entry of entries) {
      assert.equal(entry.index, last + 1, `I22: ${server.id} applies each index once, in order`)
      assert.equal(entry.chain, this.#committed.get(entry.index), `I5 at ${server.id}`)
      last = entry.index
    }
    this.#applied.set(server.id, last)
  }

  restarted(server: ScenarioServer): void {
    this.#applied.set(server.id, server.disk.snapshot?.index ?? 0)
  }

  #checkLog({ core, id }: ScenarioServer): void {
    for (let index = core.firstIndex as number; ; index++) {
      const entry = core.entry(index)
      if (entry === undefined) break
      const key = `${index}/${entry.term}`
      const known = this.#chains.get(key) ?? entry.chain
      assert.equal(entry.chain, known, `I3: ${id} holds another entry ${key}`)
      this.#chains.set(key, entry.chain)
      if (index > core.commit) continue
      const committed = this.#committed.get(index) ?? entry.chain
      assert.equal(entry.chain, committed, `I5: ${id} commits another entry ${index}`)
      this.#committed.set(index, entry.chain)
    }
  }

  #checkLeader({ core, id }: ScenarioServer): void {
    const other = this.#leaders.get(core.term)
    assert.ok(other === undefined || other === id, `I1: ${other} and ${id} lead term ${core.term}`)
    if (other === undefined) {
      this.#leaders.set(core.term, id)
      const earlier = [...this.#committedIn].filter(([term]) => term < core.term)
      const top = Math.max(0, ...earlier.map(([, index]) => index))
      assert.ok(core.last.index >= top, `I4: new leader ${id} lacks committed entry ${top}`)
      const own = core.entry(top)
      if (own !== undefined)
        assert.equal(own.chain, this.#committed.get(top), `I4: ${id} at ${top}`)
    }
    for (const [peer, { match, next }] of core.peers) {
      assert.ok(match < next && match <= core.last.index, `I16: ${id} about ${peer}`)
    }
  }

  #grant(voter: string, term: number, candidate: string): void {
    const key = `${voter}/${term}`
    const other = this.#grants.get(key)
    assert.ok(other === undefined || other === candidate, `I7: ${voter} votes twice in ${term}`)
    this.#grants.set(key, candidate)
  }
}
