/**
 * /v1/snapshot over a real server: saved, damaged, restored (http-api.md 21).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { readArchive, writeArchive } from '../../../../runtime/archive/snapshot-archive.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

async function valueAt(agent: RunningAgent, key: string): Promise<string> {
  return (await agent.get(`/v1/kv/${key}?raw`)).text
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('/v1/snapshot', () => {
  it('brings the state back, and no index goes back', async () => {
    await using agent = await startAgent()
    await agent.put('/v1/kv/a', 'old')
    await agent.put('/v1/kv/large', Buffer.alloc(400_000, 'x'))
    const saved = await agent.get('/v1/snapshot')
    assert.equal(saved.status, 200, saved.text)
    assert.equal(saved.headers['content-type'], 'application/x-gzip')
    assert.equal(saved.headers['x-consul-knownleader'], 'true')
    assert.ok(Number(saved.headers['x-consul-index']) > 1)
    const parts: Uint8Array[] = []
    const meta = await readArchive(once(saved.bytes), (bytes) => {
      parts.push(Uint8Array.from(bytes))
    })
    assert.equal(meta.Index, Number(saved.headers['x-consul-index']))
    assert.equal(meta.Size, Buffer.concat(parts).length)
    assert.equal(meta.Configuration.Servers.length, 1)
    assert.match(meta.ID, /^\d+-\d+-\d+$/)

    await agent.put('/v1/kv/a', 'new')
    await agent.put('/v1/kv/b', 'later')
    const before = await agent.get('/v1/kv/?keys')
    const index = Number(before.headers['x-consul-index'])
    const blocked = agent.get(`/v1/kv/b?index=${index}&wait=1m`)
    const restored = await agent.send('PUT', '/v1/snapshot', { body: saved.bytes })
    assert.deepEqual([restored.status, restored.text], [200, ''])
    assert.equal(await valueAt(agent, 'a'), 'old')
    assert.equal((await blocked).status, 404, 'who waited was woken')
    const after = await agent.get('/v1/kv/?keys')
    assert.deepEqual(after.json(), ['a', 'large'])
    assert.ok(Number(after.headers['x-consul-index']) > index)
    // Whatever was in the catalog: this host is, again or still.
    assert.equal(((await agent.get('/v1/catalog/nodes')).json() as unknown[]).length, 1)
    assert.deepEqual(agent.errors, [])
  })

  it('changes nothing for an archive that is not whole', async () => {
    await using agent = await startAgent()
    await agent.put('/v1/kv/a', 'old')
    const { bytes } = await agent.get('/v1/snapshot?stale')
    await agent.put('/v1/kv/a', 'new')
    const tar = gunzipSync(bytes)
    const flipped = Buffer.from(tar)
    const at = flipped.indexOf('fairlead-state') + 40
    flipped[at] = (flipped[at] as number) ^ 1
    const meta = {
      Version: 1,
      ID: '1-1-1',
      Index: 1,
      Term: 1,
      Peers: null,
      Configuration: { Servers: [] },
      ConfigurationIndex: 1,
      Size: 3,
    }
    const archived = async (state: Buffer): Promise<Buffer> => {
      const parts: Uint8Array[] = []
      const source = { sizeBytes: state.length, read: () => once(state) }
      for await (const part of writeArchive(meta, source, 0)) parts.push(part)
      return Buffer.concat(parts)
    }
    const cases: readonly (readonly [Buffer, RegExp])[] = [
      [Buffer.from(''), /^failed to read snapshot file: /],
      [Buffer.from('nothing like it'), /^failed to read snapshot file: /],
      [bytes.subarray(0, bytes.length - 9), /^failed to read snapshot file: /],
      [
        gzipSync(flipped),
        /^failed checking integrity of snapshot: hash check failed for "state.bin"/,
      ],
      [await archived(Buffer.from([0x8a, 1, 2])), /^failed to read snapshot file: .*Consul/],
      [
        await archived(Buffer.from('fairlead-state 3\n["meta",{}]\n')),
        /^failed to read snapshot file: The state image is damaged/,
      ],
      [
        await archived(Buffer.from('fairlead-state 9\n')),
        /^failed to read snapshot file: Unknown version of a state image/,
      ],
    ]
    for (const [body, text] of cases) {
      const answer = await agent.send('PUT', '/v1/snapshot', { body })
      assert.equal(answer.status, 500)
      assert.match(answer.text, text)
    }
    assert.equal(await valueAt(agent, 'a'), 'new')
    assert.equal((await agent.send('PUT', '/v1/snapshot?stale', { body: bytes })).status, 400)
    assert.equal((await agent.get('/v1/snapshot?dc=dc9')).status, 500)
    const again = await agent.send('PUT', '/v1/snapshot', { body: bytes })
    assert.equal(again.status, 200, again.text)
    assert.equal(await valueAt(agent, 'a'), 'old')
    assert.deepEqual(agent.errors, [])
  })
})
