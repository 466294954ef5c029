/**
 * What the state store promises, under random commands: watches, indexes, determinism, restore, feeds.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalJsonText } from '../../../core/catalog/canonical-json.ts'
import { decodeCommand, encodeCommand } from '../../../core/catalog/codec.ts'
import type { Command } from '../../../core/catalog/commands.ts'
import type { FeedFrame, TopicKey } from '../../../core/catalog/feed.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import type { ReadName, Reads } from '../../../core/rpc/reads.ts'
import { imageText } from '../../unit/core/catalog/store-fixture.ts'
import {
  ADDRESSES,
  anyCommand,
  KEYS,
  NODES,
  prelude,
  reap,
  SERVICES,
  SESSIONS,
} from './random-commands.ts'

const commands = fc
  .array(anyCommand, { maxLength: 50, size: 'max' })
  .map((list) => [...prelude, ...list])
const commandsAndReaping = fc
  .array(fc.oneof({ weight: 9, arbitrary: anyCommand }, { weight: 1, arbitrary: reap }), {
    maxLength: 50,
    size: 'max',
  })
  .map((list) => [...prelude, ...list])

interface Question<N extends ReadName = ReadName> {
  readonly name: N
  readonly request: Reads[N]['request']
}

function ask<N extends ReadName>(name: N, request: Reads[N]['request']): Question {
  return { name, request } as Question
}

const EVERY_READ: readonly Question[] = [
  ask('catalog.nodes', {}),
  ask('catalog.services', {}),
  ask('catalog.virtual-ips', {}),
  ...ADDRESSES.map((ip) => ask('catalog.address', { ip })),
  ask('health.state', { state: 'any' }),
  ask('health.state', { state: 'critical' }),
  ask('session.list', {}),
  ask('intention.list', {}),
  ask('intention.get', { id: 'i1' }),
  ask('intention.match', { by: 'destination', name: 'db' }),
  ask('intention.match', { by: 'source', name: 'web' }),
  ask('config.list', { entryKind: 'mesh' }),
  ask('config.get', { entryKind: 'mesh', name: 'web' }),
  ask('ca.roots', {}),
  ask('ca.config', {}),
  ask('autopilot.config', {}),
  ask('coordinate.nodes', {}),
  ask('coordinate.nodes', { segment: 's' }),
  ask('coordinate.some', { nodes: NODES }),
  ask('query.list', {}),
  ...['q1', 'q2'].map((id) => ask('query.get', { id })),
  ...['q1', 'Web', 'web-x', 'other'].map((nameOrId) => ask('query.resolve', { nameOrId })),
  ...NODES.flatMap((node) => [
    ask('catalog.node', { node }),
    ask('health.node', { node }),
    ask('coordinate.node', { node }),
    ask('session.list', { node }),
  ]),
  ask('catalog.node', { node: '6f1a4c0e-51d6' }),
  ...SERVICES.flatMap((service) => [
    ask('catalog.service', { service }),
    ask('catalog.service', { service, connect: true, tags: ['x'] }),
    ask('health.service', { service, passingOnly: true }),
    ask('health.service', { service, connect: true }),
    ask('health.service', { service, connect: true, mergeCentral: true }),
    ask('catalog.service', { service, mergeCentral: true }),
    ask('health.checks', { service }),
  ]),
  ...KEYS.flatMap((key) => [
    ask('kv.get', { key }),
    ask('kv.list', { prefix: key }),
    ask('kv.keys', { prefix: key, separator: '/' }),
  ]),
  ask('kv.list', { prefix: '' }),
  ...SESSIONS.map((id) => ask('session.get', { id })),
]

/** Reads whose watch fires exactly when their index moves. */
const BY_SERVICE: ReadonlySet<ReadName> = new Set([
  'catalog.service',
  'health.service',
  'health.checks',
])

describe('watches and indexes', () => {
  it('miss no change, and no index goes back', () => {
    fc.assert(
      fc.property(commands, (list) => {
        const store = new StateStore({ datacenter: 'dc1' })
        for (const [i, command] of list.entries()) {
          const asked = EVERY_READ.map((question) => {
            const before = store.read(question.name, question.request)
            const state = { question, before, text: canonicalJsonText(before.value), fired: false }
            store.watchOnce(before.watch, () => {
              state.fired = true
            })
            return state
          })
          store.apply(i + 1, command)
          for (const { question, before, text, fired } of asked) {
            const after = store.read(question.name, question.request)
            const where = `${question.name} ${canonicalJsonText(question.request)}`
            const hasChanged = canonicalJsonText(after.value) !== text
            assert.ok(!hasChanged || fired, `${where}: changed, but nobody was told`)
            assert.ok(after.index >= before.index, `${where}: index went back`)
            const isMoved = after.index > before.index
            // The index of a node leaves out its checks, as in the reference.
            const isExempt = question.name === 'catalog.node'
            assert.ok(!hasChanged || isMoved || isExempt || i === 0, `${where}: index did not move`)
            if (!BY_SERVICE.has(question.name) || i === 0) continue
            if (before.found || after.found) assert.equal(fired, isMoved, `${where}: fired`)
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('determinism', () => {
  it('gives two servers the same image, one of them from decoded bytes', () => {
    fc.assert(
      fc.property(commandsAndReaping, (list) => {
        const [leader, follower] = [stores(), stores()]
        for (const [i, command] of list.entries()) {
          const decoded = decodeCommand(encodeCommand(command))
          assert.deepEqual(follower.apply(i + 1, decoded), leader.apply(i + 1, command))
        }
        assert.equal(imageText(follower), imageText(leader))
      }),
      { numRuns: 150 },
    )
  })

  it('goes on from an image as if it had applied the whole log', () => {
    fc.assert(
      fc.property(commandsAndReaping, fc.nat(), (list, pick) => {
        const replayed = stores()
        let restored = stores()
        const at = list.length === 0 ? 0 : pick % list.length
        for (const [i, command] of list.entries()) {
          const expected = replayed.apply(i + 1, command)
          assert.deepEqual(restored.apply(i + 1, command), expected)
          if (i !== at) continue
          const image = [...restored.snapshot().image()]
          restored = stores()
          restored.restore(image)
        }
        assert.equal(imageText(restored), imageText(replayed))
        for (const { name, request } of EVERY_READ) {
          const again = canonicalJsonText(restored.read(name, request))
          assert.equal(again, canonicalJsonText(replayed.read(name, request)))
        }
      }),
      { numRuns: 100 },
    )
  })

  it('is the same whether requests come once or again and again, over a restart from an image too', () => {
    const again = fc.array(fc.nat(), { maxLength: 30 })
    fc.assert(
      fc.property(commandsAndReaping, again, fc.nat(), (list, repeats, pick) => {
        const once = stores()
        let often = stores()
        const named = (i: number) => ({
          origin: `s${i % 3}`,
          boot: 'b',
          seq: Math.floor(i / 3) + 1,
        })
        for (const [i, command] of list.entries()) {
          const index = 2 * i + 2
          const result = once.apply(index, command, named(i))
          assert.deepEqual(often.apply(index, command, named(i)), result)
          const earlier = (repeats[i % Math.max(1, repeats.length)] ?? 0) % (i + 1)
          const repeated = list[earlier] as Command
          const answer = often.apply(index + 1, repeated, named(earlier))
          assert.equal(answer.replayOf, 2 * earlier + 2)
          if (i !== pick % list.length) continue
          const image = [...often.snapshot().image()]
          often = stores()
          often.restore(image)
        }
        const tables = (store: StateStore) =>
          imageText(store).replace(/"lastIndex":\d+,"off/, '"off')
        assert.equal(tables(often), tables(once))
      }),
      { numRuns: 60 },
    )
  })

  it('leaves nothing behind by a refused command', () => {
    fc.assert(
      fc.property(commandsAndReaping, (list) => {
        const store = stores()
        const withoutIndex = () => imageText(store).replace(/"lastIndex":\d+/, '')
        for (const [i, command] of list.entries()) {
          const before = withoutIndex()
          if (!store.apply(i + 1, command).ok) assert.equal(withoutIndex(), before)
        }
      }),
      { numRuns: 60 },
    )
  })
})

const TOPICS: readonly TopicKey[] = [
  ...['web', 'DB', 'web-sidecar-proxy'].map((key) => ({ topic: 'health' as const, key })),
  ...['web', 'db'].map((key) => ({ topic: 'connect' as const, key })),
  ...['*', 'web', 'db'].map((key) => ({ topic: 'intentions' as const, key })),
  { topic: 'roots', key: '' },
  { topic: 'config', key: 'service-defaults' },
  { topic: 'virtual-ips', key: '' },
  ...NODES.map((key) => ({ topic: 'node' as const, key })),
  ...ADDRESSES.map((key) => ({ topic: 'address' as const, key })),
]

class View {
  readonly items = new Map<string, unknown>()
  index = -1

  take(frame: FeedFrame): void {
    if (frame.kind === 'snapshot') {
      this.items.clear()
      for (const item of frame.items) this.items.set(item.id, item.value)
    } else {
      assert.ok(frame.index > this.index, 'deltas come in log order, once')
      for (const item of frame.upserts) this.items.set(item.id, item.value)
      for (const id of frame.deletes) assert.ok(this.items.delete(id), `"${id}" was not there`)
    }
    this.index = frame.index
  }

  text(): string {
    return canonicalJsonText([...this.items].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

describe('feeds', () => {
  it('keep a view equal to a new snapshot at every index, also after coming back', () => {
    const away = fc.nat({ max: 30 })
    fc.assert(
      fc.property(commandsAndReaping, away, fc.integer({ min: 1, max: 60 }), (list, pick, kept) => {
        const store = new StateStore({ datacenter: 'dc1', feeds: { historyItemsMax: kept } })
        const views = TOPICS.map((topic) => ({ topic, view: new View(), close: () => {} }))
        for (const one of views)
          one.close = store.follow(one.topic, undefined, (f) => one.view.take(f))
        for (const [i, command] of list.entries()) {
          if (i === pick) for (const one of views) one.close()
          store.apply(i + 1, command)
          if (i >= pick && i < pick + 10) continue
          for (const one of views) {
            if (i === pick + 10) {
              one.close = store.follow(one.topic, pick, (frame) => one.view.take(frame))
            }
            assert.equal(one.view.text(), freshText(store, one.topic), JSON.stringify(one.topic))
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})

function freshText(store: StateStore, topic: TopicKey): string {
  const view = new View()
  store.follow(topic, undefined, (frame) => view.take(frame))()
  return view.text()
}

function stores(): StateStore {
  return new StateStore({ datacenter: 'dc1' })
}
