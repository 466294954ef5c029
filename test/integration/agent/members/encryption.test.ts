/**
 * Encrypted pools on loopback: who has no key stays out and is told why, keys are rotated on all members at once.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { GossipEncryption } from '../../../../agent/members/pool-keys.ts'
import type { Logger } from '../../../../core/log.ts'
import { silentLogger } from '../../../../core/log.ts'
import { GossipKey } from '../../../../core/swim/gossip-key.ts'
import { Keyring } from '../../../../core/swim/keyring.ts'
import { encodeKeyringRequest } from '../../../../core/swim/keyring-codec.ts'
import { encodeCompound, encodeMessage } from '../../../../core/swim/packet-codec.ts'
import { PROTOCOL_VERSIONS } from '../../../../core/swim/types.ts'
import { MemberCipher } from '../../../../runtime/gossip/member-cipher.ts'
import { Seal } from '../../../../runtime/gossip/seal.ts'
import {
  addressOf,
  NEVER,
  NO_ENCRYPTION,
  type Pool,
  seesAlive,
  startPool,
  temporaryFolder,
  until,
} from './pool-fixture.ts'

const ALL = { signal: NEVER }

function key(fill: number): GossipKey {
  const made = GossipKey.fromBytes(new Uint8Array(32).fill(fill))
  assert.ok(made instanceof GossipKey)
  return made
}

function encrypted(fill: number, change: Partial<GossipEncryption> = {}) {
  return { encryption: { ...NO_ENCRYPTION, key: key(fill), ...change } }
}

/** Remembers warnings. */
function listeningLog(warnings: string[]): Logger {
  const log: Logger = {
    ...silentLogger,
    warn: (message) => void warnings.push(message),
    child: () => log,
  }
  return log
}

async function startThree(t: TestContext): Promise<readonly [Pool, Pool, Pool]> {
  const a = await startPool(t, 'a', encrypted(1))
  const b = await startPool(t, 'b', encrypted(1))
  const c = await startPool(t, 'c', encrypted(1))
  await b.join([addressOf(a)], NEVER)
  await c.join([addressOf(a)], NEVER)
  await Promise.all([a, b, c].map((pool) => until(pool, seesAlive('a', 'b', 'c'))))
  return [a, b, c]
}

test('members with one key find each other, and hear of new tags', async (t) => {
  const [a, b, c] = await startThree(t)
  assert.ok(a.isEncrypted)
  c.setTags({ new: 'tag' })
  for (const pool of [a, b]) {
    await until(pool, (members) => members.find((m) => m.name === 'c')?.tags['new'] === 'tag')
  }
})

test('who has another key, or none, stays out, and both sides say why', async (t) => {
  const warnings: string[] = []
  const a = await startPool(t, 'a', encrypted(1), listeningLog(warnings))
  const other = await startPool(t, 'b', encrypted(2))
  await assert.rejects(other.join([addressOf(a)], NEVER), /share no gossip key/)
  const open = await startPool(t, 'c')
  await assert.rejects(open.join([addressOf(a)], NEVER), /its pool encrypts gossip.*no key/)
  assert.deepEqual(warnings, [
    'refused gossip that no key of this agent opens',
    'refused gossip that is not encrypted; its sender has no key',
  ])
  const openWarnings: string[] = []
  const openPool = await startPool(t, 'd', {}, listeningLog(openWarnings))
  await assert.rejects(a.join([addressOf(openPool)], NEVER), /it does not encrypt gossip/)
  assert.deepEqual(openWarnings, ['refused gossip that is encrypted; this agent has no key'])
  for (const pool of [a, other, open, openPool]) assert.equal(pool.members().length, 1)
})

test('a key is rotated on all members while they talk', async (t) => {
  const [a, b, c] = await startThree(t)
  const installed = await a.keyring({ kind: 'install', key: key(2) }, ALL)
  assert.deepEqual([installed.nodes, installed.keys.get(key(2).text)], [3, 3])
  const early = await a.keyring({ kind: 'remove', key: key(1) }, ALL)
  assert.equal(early.failures.size, 3)
  assert.ok(early.isUntouched)
  await b.keyring({ kind: 'use', key: key(2) }, ALL)
  const removed = await c.keyring({ kind: 'remove', key: key(1) }, ALL)
  assert.equal(removed.failures.size, 0)
  const listed = await a.keyring({ kind: 'list' }, ALL)
  assert.deepEqual([...listed.keys], [[key(2).text, 3]])
  assert.deepEqual([...listed.primaryKeys], [[key(2).text, 3]])
  b.setTags({ after: 'rotation' })
  for (const pool of [a, c]) {
    await until(pool, (members) => members.find((m) => m.name === 'b')?.tags['after'] !== undefined)
  }
  const late = await startPool(t, 'd', encrypted(1))
  await assert.rejects(late.join([addressOf(a)], NEVER), /share no gossip key/)
})

test('a key is not used while one member lacks it', async (t) => {
  const [a, b] = await startThree(t)
  await a.keyring({ kind: 'install', key: key(2) }, ALL)
  const d = await startPool(t, 'd', encrypted(1))
  await d.join([addressOf(b)], NEVER)
  await until(a, seesAlive('a', 'b', 'c', 'd'))
  const report = await a.keyring({ kind: 'use', key: key(2) }, ALL)
  assert.deepEqual([...report.failures.keys()], ['d'])
  assert.ok(report.isUntouched)
  const listed = await a.keyring({ kind: 'list' }, ALL)
  assert.equal(listed.primaryKeys.get(key(1).text), 4)
  // Said again, it reaches who came later.
  assert.equal((await a.keyring({ kind: 'install', key: key(2) }, ALL)).failures.size, 0)
  assert.equal((await a.keyring({ kind: 'use', key: key(2) }, ALL)).failures.size, 0)
})

test('the keys outlive the process in a private file, which wins over the configuration', async (t) => {
  const keyringPath = join(await temporaryFolder(t), 'serf', 'local.keyring')
  const a = await startPool(t, 'a', encrypted(1, { keyringPath }))
  await a.keyring({ kind: 'install', key: key(2) }, ALL)
  await a.keyring({ kind: 'use', key: key(2) }, ALL)
  assert.deepEqual(JSON.parse(await readFile(keyringPath, 'utf8')), [key(2).text, key(1).text])
  assert.equal((await stat(keyringPath)).mode & 0o777, 0o600)
  await a.stop()
  const warnings: string[] = []
  const again = await startPool(t, 'a', encrypted(1, { keyringPath }), listeningLog(warnings))
  const listed = await again.keyring({ kind: 'list' }, ALL)
  assert.deepEqual([...listed.primaryKeys], [[key(2).text, 1]])
  assert.deepEqual(warnings, ['encrypt is not used: the keyring in the data directory counts'])
})

test('a keyring file that cannot be understood stops the start without showing keys', async (t) => {
  const keyringPath = join(await temporaryFolder(t), 'local.keyring')
  for (const [text, reason] of [
    ['', /it is not a list of keys/],
    ['[]', /it is not a list of keys/],
    [`["${key(1).text}", "short"]`, /entry 2: it is not base64/],
  ] as const) {
    await writeFile(keyringPath, text)
    await assert.rejects(startPool(t, 'a', encrypted(1, { keyringPath })), (error: Error) => {
      assert.match(error.message, reason)
      assert.ok(!error.message.includes(key(1).text))
      return true
    })
  }
})

test('a pool without encryption has no keys to show or to change', async (t) => {
  const a = await startPool(t, 'a')
  for (const kind of ['install', 'use'] as const) {
    await assert.rejects(a.keyring({ kind, key: key(1) }, ALL), {
      code: 'REJECTED',
      message: 'keyring is empty: gossip is not encrypted',
    })
  }
})

test('encryption is introduced step by step on a pool that runs', async (t) => {
  const listens = encrypted(1, { verifyIncoming: false, verifyOutgoing: false })
  const speaks = encrypted(1, { verifyIncoming: false })
  const folder = await temporaryFolder(t)
  const paths = ['a', 'b'].map((name) => ({ snapshotPath: join(folder, name) }))
  const start = async (i: number, encryption: object): Promise<Pool> => {
    const pool = await startPool(t, ['a', 'b'][i] ?? '', { ...paths[i], ...encryption })
    return pool
  }
  let [a, b] = [await start(0, {}), await start(1, {})]
  await b.join([addressOf(a)], NEVER)
  for (const encryption of [listens, speaks, encrypted(1)]) {
    await b.stop()
    b = await start(1, encryption)
    await Promise.all([a, b].map((pool) => until(pool, seesAlive('a', 'b'))))
    await a.stop()
    a = await start(0, encryption)
    await Promise.all([a, b].map((pool) => until(pool, seesAlive('a', 'b'))))
  }
  // Keys go encrypted all the while, and only so.
  assert.equal((await a.keyring({ kind: 'install', key: key(2) }, ALL)).failures.size, 0)
})

test('a request about keys that is not encrypted changes nothing, also while plain gossip is let in', async (t) => {
  const a = await startPool(t, 'a', encrypted(1, { verifyIncoming: false }))
  const plain = new Seal('dc1')
  const request = encodeKeyringRequest({ kind: 'install', key: key(2) })
  const { frame, ticket } = plain.sealRequest(request, { isSecret: false })
  const socket = connect(a.self().port, '127.0.0.1', () => socket.end(frame))
  t.after(() => socket.destroy())
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  // The answer comes encrypted, as all that this member says.
  assert.equal(plain.readPrefix(Buffer.concat(chunks)).kind, 'refused')
  assert.equal(ticket.length, 0)
  const listed = await a.keyring({ kind: 'list' }, ALL)
  assert.deepEqual([...listed.keys.keys()], [key(1).text])
})

test('garbage, plain packets and packets of another key are counted, and change nothing', async (t) => {
  const a = await startPool(t, 'a', encrypted(1))
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  const dead = encodeCompound([
    encodeMessage({ kind: 'dead', name: 'a', incarnation: 9, from: 'a' }),
  ])
  const stranger = new MemberCipher(new Keyring([key(2)]), Buffer.alloc(8, 1))
  const insider = new MemberCipher(new Keyring([key(1)]), Buffer.alloc(8, 2))
  const both = { verifyIncoming: true, verifyOutgoing: true }
  const inside = new Seal('dc1', { cipher: insider, ...both })
  const seen = inside.sealPacket(Buffer.from([0]))
  const facts = { name: 'z', id: 'id-z', address: '127.0.0.1', port: 9, meta: new Uint8Array(0) }
  const last = encodeMessage({
    kind: 'alive',
    incarnation: 1,
    ...facts,
    versions: PROTOCOL_VERSIONS,
  })
  const packets = [
    Buffer.from('garbage'),
    new Seal('dc1').sealPacket(dead),
    new Seal('dc2').sealPacket(dead),
    new Seal('dc1', { cipher: stranger, ...both }).sealPacket(dead),
    seen,
    seen,
    inside.sealPacket(encodeCompound([last])),
  ]
  for (const packet of packets) {
    await new Promise((done) => udp.send(packet, a.self().port, '127.0.0.1', done))
  }
  // Packets on loopback come in order: when the last has its effect, all before it were looked at.
  await until(a, seesAlive('a', 'z'))
  const {
    refused_version,
    refused_plain,
    refused_label,
    refused_key,
    refused_replay,
    refutations,
  } = a.stats()
  assert.deepEqual(
    [refused_version, refused_plain, refused_label, refused_key, refused_replay, refutations],
    ['1', '1', '1', '1', '1', '0'],
  )
})
