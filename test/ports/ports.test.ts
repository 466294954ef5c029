/**
 * The Raft port and the function port as programs: whole conversations, bad requests, what must stay stable.
 */

import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'

type Json = Readonly<Record<string, unknown>>

/** A port that is talked to line by line. */
class Port implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(program: 'raft' | 'functions') {
    const path = join(import.meta.dirname, `${program}.ts`)
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', path])
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async ask(request: Json | string): Promise<Json> {
    const line = typeof request === 'string' ? request : JSON.stringify(request)
    this.#child.stdin.write(`${line}\n`)
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, 'the port answers every line')
    return JSON.parse(value) as Json
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.stdin.end()
    await closed
  }
}

const OPTS = { electionTicks: 10, heartbeatTicks: 1 }
const VOTERS = ['a', 'b', 'c']

/** Delivers what the cores say to each other until nobody says anything more. */
async function settle(port: Port, ids: readonly string[]): Promise<void> {
  for (let quiet = 0; quiet < 2; ) {
    let said = 0
    for (const id of ids) {
      const batch = await port.ask({ op: 'pull', id })
      const messages = [batch['messagesNow'] ?? [], batch['messagesAfter'] ?? []].flat() as Json[]
      for (const message of messages) {
        said++
        const to = String(message['to'])
        if (ids.includes(to)) await port.ask({ op: 'input', id: to, kind: 'receive', message })
      }
    }
    quiet = said === 0 ? quiet + 1 : 0
  }
}

describe('the Raft port', () => {
  it('elects, replicates, reads, changes members, and survives a restart', async () => {
    await using port = new Port('raft')
    for (const [i, id] of VOTERS.entries()) {
      const made = { op: 'new', id, voters: VOTERS, opts: OPTS, randomTimeoutTicks: 10 + 5 * i }
      assert.deepEqual(await port.ask(made), { created: id })
    }
    await port.ask({ op: 'input', id: 'a', kind: 'tick', count: 10 })
    await settle(port, VOTERS)
    assert.equal((await port.ask({ op: 'dump', id: 'a' }))['role'], 'leader')

    const proposed = await port.ask({ op: 'input', id: 'a', kind: 'propose', data: 'x' })
    assert.deepEqual(proposed, { outcome: 'appended', term: 1, firstIndex: 2 })
    await settle(port, VOTERS)
    for (const id of VOTERS) {
      const state = await port.ask({ op: 'dump', id })
      assert.equal(state['commit'], 2)
      assert.deepEqual((state['entries'] as Json[])[1], {
        index: 2,
        term: 1,
        type: 'normal',
        data: 'x',
      })
    }

    const learner = { op: 'new', id: 'd', voters: VOTERS, learners: ['d'], opts: OPTS }
    await port.ask(learner)
    await port.ask({
      op: 'input',
      id: 'a',
      kind: 'proposeConf',
      change: 'simple',
      changes: [{ op: 'learner', id: 'd' }],
    })
    await settle(port, [...VOTERS, 'd'])
    const led = await port.ask({ op: 'dump', id: 'a' })
    assert.deepEqual((led['configuration'] as Json)['learners'], ['d'])
    assert.equal(((led['progress'] as Json)['d'] as Json)['match'], 3)

    assert.deepEqual(await port.ask({ op: 'restart', id: 'b', keep: 'durable' }), {
      restarted: true,
    })
    const again = await port.ask({ op: 'dump', id: 'b' })
    assert.equal(again['lastIndex'], 3)
    assert.equal(again['vote'], 'a')
  })

  it('shows what waits for the disk when storage is asynchronous', async () => {
    await using port = new Port('raft')
    const opts = { ...OPTS, asyncStorage: true }
    await port.ask({ op: 'new', id: 'b', voters: VOTERS, opts })
    const message = {
      kind: 'AppendEntries',
      from: 'a',
      to: 'b',
      term: 3,
      prevIndex: 0,
      prevTerm: 0,
      entries: [{ index: 1, term: 3, type: 'normal', data: 'x' }],
      leaderCommit: 1,
    }
    await port.ask({ op: 'input', id: 'b', kind: 'receive', message })
    const batch = await port.ask({ op: 'pull', id: 'b' })
    assert.equal(batch['token'], 1)
    assert.deepEqual(batch['messagesNow'], [])
    assert.deepEqual(batch['committed'], [], 'nothing is applied before it is durable')
    await port.ask({ op: 'restart', id: 'b', keep: 'durable' })
    assert.equal((await port.ask({ op: 'dump', id: 'b' }))['lastIndex'], 0)
  })

  it('answers what it cannot take with an error that says why, and goes on', async () => {
    await using port = new Port('raft')
    for (const [request, error] of [
      ['nonsense', /JSON/],
      ['[]', /object/],
      [{ op: 'fly' }, /"op" names the request/],
      [{ op: 'pull', id: 'a' }, /no core "a"/],
      [{ op: 'new', id: 'a', voters: [] }, /at least one voter/],
      [{ op: 'new', voters: ['a'] }, /"id" is a text/],
    ] as const) {
      assert.match(String((await port.ask(request))['error']), error)
    }
    assert.deepEqual(await port.ask({ new: { id: 'a', voters: ['a'] } }), { created: 'a' })
  })
})

describe('the function port', () => {
  it('computes quorums, votes and configurations', async () => {
    await using port = new Port('functions')
    const cases: readonly (readonly [Json, Json])[] = [
      [{ op: 'quorumCommit', incoming: VOTERS, acks: { a: 5, b: 3 } }, { value: 3 }],
      [
        { op: 'quorumCommit', incoming: VOTERS, outgoing: ['a', 'd'], acks: { a: 9, b: 7, d: 2 } },
        { value: 2 },
      ],
      [{ op: 'quorumCommit', incoming: [], acks: {} }, { value: 'infinity' }],
      [{ op: 'voteResult', incoming: VOTERS, votes: { a: true } }, { value: 'pending' }],
      [{ op: 'voteResult', incoming: VOTERS, votes: { a: true, b: true } }, { value: 'won' }],
      [{ op: 'voteResult', incoming: VOTERS, votes: { a: false, b: false } }, { value: 'lost' }],
      [
        {
          op: 'confApply',
          config: { voters: VOTERS },
          change: 'enterJoint',
          autoLeave: true,
          changes: [
            { op: 'remove', id: 'a' },
            { op: 'voter', id: 'd' },
          ],
        },
        {
          config: {
            voters: ['b', 'c', 'd'],
            votersOutgoing: VOTERS,
            learners: [],
            learnersNext: [],
            autoLeave: true,
          },
        },
      ],
      [{ op: 'retransmitLimit', args: [4, 100] }, { value: 12 }],
      [{ op: 'suspicionTimeout', mult: 4, members: 100, intervalMs: 1000 }, { value: 8000 }],
      [
        { op: 'lamport', time: 3, steps: ['increment', 9, 2] },
        { value: 10, times: [4, 10, 10] },
      ],
      [
        { op: 'healthScore', max: 8, deltas: [1, 1, -5] },
        { value: 0, scores: [1, 2, 0] },
      ],
      [
        {
          op: 'vivaldi',
          config: { dimensionality: 2, ce: 0.25 },
          samples: [
            { node: 'a', rtt: 11, coordinate: { Vec: [1, 0], Error: 0.5 } },
            { node: 'b', rtt: 0.1, coordinate: { vec: [1, 0, 0] } },
          ],
        },
        {
          value: { vec: [0, 0], error: 1.5, adjustment: 0, height: 0.00001 },
          outcomes: ['bad-rtt', 'incompatible'],
        },
      ],
    ]
    for (const [request, answer] of cases) assert.deepEqual(await port.ask(request), answer)
  })

  it('refuses what it cannot compute', async () => {
    await using port = new Port('functions')
    const refused = await port.ask({
      op: 'confApply',
      config: { voters: ['a'] },
      change: 'simple',
      changes: [{ op: 'remove', id: 'a' }],
    })
    assert.match(String(refused['error']), /at least one voter/)
    assert.match(String((await port.ask({ op: 'retransmitLimit' }))['error']), /"mult" is a number/)
    const other = await port.ask({ op: 'vivaldi', config: { ce: 0.5 }, samples: [] })
    assert.match(String(other['error']), /"config.ce" is fixed/)
  })
})
