/**
 * Views over a restart: what is written, what is shown, what is not believed.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { SAVED_AFTER_MS } from '../../../../agent/view/feed-view.ts'
import { AGE_MAX_MS, SAVE_DELAY_MS, ViewFiles } from '../../../../agent/view/view-files.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { WEB } from '../../core/dns/example-catalog.ts'
import { Feed, turn } from './scripted-feed.ts'

const ITEMS = WEB.map((value) => ({ id: `${value.node.node}/${value.service.id}`, value }))

interface Agent {
  readonly feed: Feed
  readonly clock: ManualClock
  readonly files: ViewFiles
  readonly views: SubscribedViews
}

async function inFolder(use: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-views-'))
  try {
    await use(dataDir)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function agent(dataDir: string, wall = Date.now()): Promise<Agent> {
  const feed = new Feed()
  const clock = new ManualClock({ wall })
  const files = new ViewFiles({ dataDir }, { clock, log: silentLogger })
  const deps = { servers: feed, clock, rng: seededRng(1), log: silentLogger, files }
  const views = new SubscribedViews(deps)
  await views.start()
  return { feed, clock, files, views }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** Feeds a view of `web` and ends in good order. */
async function runOnce(dataDir: string, wall?: number): Promise<void> {
  const { feed, views } = await agent(dataDir, wall)
  const view = views.open('health', 'web')
  await until(() => feed.subscriptions.length > 0)
  feed.last.push({ kind: 'snapshot', index: 5, items: ITEMS })
  feed.last.push({ kind: 'bookmark', index: 9, hasLeader: true })
  await view.ready()
  await turn()
  await views.stop()
}

test('a view is there after a restart, marked stale, and goes on where it was', async () => {
  await inFolder(async (dataDir) => {
    const wall = Date.now()
    await runOnce(dataDir, wall)
    const { feed, clock, views } = await agent(dataDir, wall + 60_000)
    const view = views.open('health', 'web')
    await until(() => feed.subscriptions.length > 0)
    assert.deepEqual(feed.last.from, { epoch: 'e/1', index: 9 })
    assert.equal(view.isReady, false, 'a server may have something newer')
    clock.advance(SAVED_AFTER_MS)
    await view.ready()
    assert.deepEqual([...view.items().values()], WEB)
    assert.equal(view.isStale, true)
    assert.equal(view.staleMs, 60_000 + SAVED_AFTER_MS)
    feed.last.push({ kind: 'bookmark', index: 12, hasLeader: true })
    await turn()
    assert.equal(view.isStale, false)
    assert.equal(view.staleMs, 0)
    await views.stop()
    assert.equal(clock.armed, 0)
  })
})

test('a server that answers in time is not anticipated', async () => {
  await inFolder(async (dataDir) => {
    await runOnce(dataDir)
    const { feed, views } = await agent(dataDir)
    const view = views.open('health', 'web')
    await until(() => feed.subscriptions.length > 0)
    feed.last.push({ kind: 'snapshot', index: 20, items: ITEMS.slice(1) })
    await view.ready()
    assert.equal(view.items().size, 1)
    await views.stop()
  })
})

test('changes are written soon, without an end in good order', async () => {
  await inFolder(async (dataDir) => {
    const { feed, clock, files, views } = await agent(dataDir)
    const view = views.open('health', 'web')
    await until(() => feed.subscriptions.length > 0)
    feed.last.push({ kind: 'snapshot', index: 5, items: ITEMS })
    await view.ready()
    assert.deepEqual(await readdir(join(dataDir, 'views')), [])
    clock.advance(SAVE_DELAY_MS)
    await files.flush()
    const saved = await files.load({ topic: 'health', key: 'web' })
    assert.deepEqual(saved?.position, { epoch: 'e/1', index: 5 })
    assert.deepEqual([...(saved?.items.values() ?? [])], WEB)
    await views.stop()
  })
})

test('a view that has become empty leaves no file', async () => {
  await inFolder(async (dataDir) => {
    await runOnce(dataDir)
    const { feed, views } = await agent(dataDir)
    const view = views.open('health', 'web')
    await until(() => feed.subscriptions.length > 0)
    feed.last.push({ kind: 'snapshot', index: 20, items: [] })
    await view.ready()
    await views.stop()
    assert.deepEqual(await readdir(join(dataDir, 'views')), [])
  })
})

test('what is damaged, of another topic or too old is not shown', async () => {
  await inFolder(async (dataDir) => {
    await runOnce(dataDir)
    const [name] = await readdir(join(dataDir, 'views'))
    assert.ok(name !== undefined)
    const path = join(dataDir, 'views', name)
    const good = await readFile(path, 'utf8')
    const topic = { topic: 'health', key: 'web' } as const
    const late = await agent(dataDir, Date.now() + AGE_MAX_MS + 60_000)
    assert.deepEqual(await readdir(join(dataDir, 'views')), [])
    await late.views.stop()
    const { files, views } = await agent(dataDir)
    for (const bad of ['', '{}', good.replace('vm-a', 'vm-x'), good.slice(0, -40), `\0${good}`]) {
      await writeFile(path, bad)
      assert.equal(await files.load(topic), undefined)
      assert.deepEqual(await readdir(join(dataDir, 'views')), [], 'it is removed')
    }
    await writeFile(path, good)
    assert.notEqual(await files.load(topic), undefined)
    assert.equal(await files.load({ topic: 'connect', key: 'web' }), undefined)
    await views.stop()
  })
})
