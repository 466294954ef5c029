/**
 * Writing, restoring and refusing images (image-writer.ts, image-reader.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IMAGE_CHUNK_SIZE } from '../../../../core/catalog/image-format.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { check, Driver, imageText, kvWrite, service, session, sidecar } from './store-fixture.ts'

function filled(): Driver {
  const driver = new Driver()
  driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
  driver.ok(driver.register('n1', { service: sidecar('web'), checks: [check('c', 'passing')] }))
  driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
  driver.ok(driver.kv({ verb: 'lock', entry: kvWrite('a', 'v', { session: 's1' }) }))
  driver.ok(driver.kv({ verb: 'set', entry: kvWrite('b/\u{1f600}', 'v') }))
  driver.ok(driver.kv({ verb: 'delete-tree', key: 'b/' }))
  driver.ok(driver.destroy('s1'))
  return driver
}

function restoring(...texts: readonly string[]): () => void {
  return () => new StateStore({ datacenter: 'dc1' }).restore(texts.map((text) => Buffer.from(text)))
}

/** With the count of lines that goes with one line less. */
function oneLess(text: string): string {
  return text.replace(/"lines":(\d+)/, (_, lines) => `"lines":${Number(lines) - 1}`)
}

describe('the image of a state', () => {
  it('gives the same state whatever the cut of its chunks', () => {
    const driver = filled()
    const bytes = Buffer.from(driver.image())
    for (const size of [1, 7, 1000]) {
      const chunks: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
      const store = new StateStore({ datacenter: 'dc1' })
      store.restore(chunks)
      assert.equal(imageText(store), bytes.toString())
      assert.equal(store.lastIndex, 7)
    }
  })

  it('stays as it was while the store goes on', () => {
    const driver = filled()
    const snapshot = driver.store.snapshot()
    const before = Buffer.concat([...snapshot.image()]).toString()
    driver.ok(driver.deregister('n1'))
    assert.equal(Buffer.concat([...snapshot.image()]).toString(), before)
    assert.equal(snapshot.read('catalog.nodes', {}).value.length, 1)
    assert.equal(snapshot.lastIndex, 7)
  })

  it('comes in chunks of bounded size, made only when asked for', () => {
    const driver = new Driver()
    for (let i = 0; i < 40; i++) {
      driver.ok(driver.kv({ verb: 'set', entry: kvWrite(`k${i}`, 'x'.repeat(20_000)) }))
    }
    const sizes: number[] = []
    for (const chunk of driver.store.snapshot().image()) sizes.push(chunk.length)
    assert.ok(sizes.length > 3)
    for (const size of sizes) assert.ok(size < IMAGE_CHUNK_SIZE + 40_000)
  })

  it('is refused when damaged, and the store stays as it was', () => {
    const text = filled().image()
    const lines = text.trimEnd().split('\n')
    const without = (n: number) => `${lines.toSpliced(n, 1).join('\n')}\n`
    const damaged = [
      '',
      'something else\n',
      text.slice(0, -1),
      text.slice(0, text.length / 2),
      without(2),
      without(lines.length - 1),
      `${text}["noop",1]\n`,
      text.replace('["ca-config",null]', '{"ca-config":null}'),
      text.replace('"node"', '"edon"'),
      text.replace('"modifyIndex":1', '"modifyIndex":"1"'),
      text.replace('{"aclBootstrapIndex"', '{{"aclBootstrapIndex"'),
      oneLess(without(1)),
    ]
    const driver = filled()
    for (const bad of damaged) {
      assert.throws(() => driver.store.restore([Buffer.from(bad)]), { code: 'STORAGE_CORRUPT' })
    }
    assert.equal(driver.image(), text)
  })

  it('loses no table to a counter of that name', () => {
    const text = filled().image()
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([Buffer.from(text.replace('["meta",{', '["meta",{"caRoots":0,"nodes":0,'))])
    assert.equal(imageText(store), text)
  })

  it('is refused when its lines contradict each other', () => {
    const text = filled().image()
    const [header, meta] = text.split('\n') as [string, string]
    const service = text.split('\n').find((line) => line.startsWith('["service"')) as string
    const group = text.split('\n').find((line) => line.startsWith('["group"')) as string
    for (const lines of [[service], [group], [group.replace('"services"', '"nodes"')]]) {
      const body = [header, meta, ...lines, `["end",{"lines":${lines.length + 1}}]`, '']
      assert.throws(restoring(body.join('\n')), { code: 'STORAGE_CORRUPT' })
    }
    const cutGroup = oneLess(text.replace(`${group}\n`, ''))
    assert.throws(restoring(cutGroup), { code: 'STORAGE_CORRUPT' })
    const endless = Buffer.alloc(64 * 1024 * 1024 + 1, 'x')
    assert.throws(() => new StateStore({ datacenter: 'dc1' }).restore([endless]), {
      code: 'STORAGE_CORRUPT',
    })
  })

  it('carries the signing key and the exhausted counter', () => {
    const driver = new Driver()
    const image = driver.image().replace('"offsetCounter":0', '"offsetCounter":8388606')
    driver.store.restore([Buffer.from(image)])
    assert.equal(
      driver.refused(driver.register('n1', { service: sidecar('web') })),
      'failed inserting service: cannot allocate any more unique service virtual IPs',
    )
    assert.equal(driver.store.snapshot().caProvider(), null)
  })

  it('is refused when a newer version wrote it', () => {
    assert.throws(restoring('fairlead-state 7\n', '["meta",{}]\n'), { code: 'NOT_SUPPORTED' })
  })
})
