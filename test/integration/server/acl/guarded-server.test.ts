/**
 * Access control at the servers' border: a real server, asked with no token, weak ones and right ones.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TokenWrite } from '../../../../core/acl/records.ts'
import { hashSecret } from '../../../../core/acl/secret.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { wallTime } from '../../../../core/time.ts'
import { ACL_OFF, type RunningServer, startServer } from '../running-server.ts'

const NOW = wallTime(0)
let running: RunningServer
let root: ServerApi
let rootAccessor = ''

const ON = { ...ACL_OFF, enabled: true, defaultPolicy: 'deny' } as const

function as(secret: string): ServerApi {
  return running.server.api.as(() => secret)
}

function tokenOf(secret: string, change: Partial<TokenWrite> = {}): TokenWrite {
  return {
    accessorId: randomUUID(),
    secretHash: hashSecret(secret),
    description: '',
    policies: [],
    roles: [],
    serviceIdentities: [],
    nodeIdentities: [],
    templatedPolicies: [],
    local: false,
    authMethod: '',
    ttlMs: 0,
    ...change,
  }
}

/** A token with these rules and nothing else. */
async function bearerOf(rules: string): Promise<ServerApi> {
  const id = randomUUID()
  const secret = randomUUID()
  const policy = { id, name: `p-${id}`, description: '', rules, datacenters: [] }
  await root.write({ kind: 'acl.policy.set', policy, mode: 'create' })
  const token = tokenOf(secret, { policies: [{ id, name: '' }] })
  await root.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
  return as(secret)
}

function set(key: string, byte = 1): Parameters<ServerApi['write']>[0] {
  const entry = { key, value: new Uint8Array([byte]), flags: 0n, session: '' }
  return { kind: 'kv', op: { verb: 'set', entry }, now: NOW }
}

before(async () => {
  running = await startServer({ acl: ON })
  const secret = randomUUID()
  rootAccessor = randomUUID()
  const identity = { accessorId: rootAccessor, secretHash: hashSecret(secret) }
  await as('').operate('acl.bootstrap', identity)
  root = as(secret)
})
after(() => running[Symbol.asyncDispose]())

describe('tokens', () => {
  test('a second bootstrap is refused and names the number that resets it', async () => {
    const identity = { accessorId: randomUUID(), secretHash: hashSecret(randomUUID()) }
    await assert.rejects(as('').operate('acl.bootstrap', identity), {
      code: 'PERMISSION_DENIED',
      message: /^Permission denied: ACL bootstrap no longer allowed \(reset index: \d+\)$/,
    })
  })

  test('a secret of no token is not found, no secret is anonymous', async () => {
    await assert.rejects(as('nobody').read('catalog.nodes', {}), {
      code: 'PERMISSION_DENIED',
      message: 'ACL not found',
    })
    const { value, isFiltered } = await as('').read('catalog.nodes', {})
    assert.deepEqual(value, [])
    assert.equal(isFiltered, undefined)
  })

  test('no read shows a secret or its digest', async () => {
    const { value } = await root.read('acl.token.list', {})
    assert.ok(value.length >= 2)
    assert.ok(value.every(({ secretHash }) => secretHash === ''))
    assert.equal((await root.read('acl.token.self', {})).value?.accessorId, rootAccessor)
  })

  test('one that is deleted is nobody at once', async () => {
    const secret = randomUUID()
    const token = tokenOf(secret)
    await root.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
    await as(secret).read('catalog.nodes', {})
    await root.write({ kind: 'acl.token.delete', accessorId: token.accessorId })
    await assert.rejects(as(secret).read('catalog.nodes', {}), { message: 'ACL not found' })
  })

  const REFUSED: readonly (readonly [string, Partial<TokenWrite>, RegExp])[] = [
    ['a reserved accessor', { accessorId: '00000000-0000-0000-0000-000000000009' }, /are reserved/],
    ['an accessor that is in use', {}, /AccessorID is already in use/],
    [
      'an unknown policy',
      { accessorId: randomUUID(), policies: [{ id: '', name: 'x' }] },
      /No such ACL policy with name "x"/,
    ],
    [
      'a short life',
      { accessorId: randomUUID(), ttlMs: 1000 },
      /cannot be less than 1m0s in the future \(was 1s\)/,
    ],
    ['a long life', { accessorId: randomUUID(), ttlMs: 90_000_000 }, /cannot be more than 24h0m0s/],
    [
      'a name that is no name',
      { accessorId: randomUUID(), serviceIdentities: [{ serviceName: 'a" {', datacenters: [] }] },
      /invalid name/,
    ],
  ]
  for (const [what, change, message] of REFUSED) {
    test(`refuses ${what}`, async () => {
      const token = tokenOf(randomUUID(), { accessorId: rootAccessor, ...change })
      const write = root.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
      await assert.rejects(write, { code: 'REJECTED', message })
    })
  }

  test('who asks cannot delete the token with which is asked', async () => {
    await assert.rejects(root.write({ kind: 'acl.token.delete', accessorId: rootAccessor }), {
      message: "Deletion of the request's authorization token is not permitted",
    })
  })

  test('an initial management token is there once the server leads', async () => {
    const initialManagement = randomUUID()
    await using other = await startServer({ acl: { ...ON, initialManagement } })
    const api = other.server.api.as(() => initialManagement)
    for (;;) {
      const found = await api.read('acl.token.self', {}).catch(() => undefined)
      if (found?.value?.policies[0]?.name === 'global-management') break
      await new Promise((resolve) => setImmediate(resolve))
    }
    const identity = { accessorId: randomUUID(), secretHash: hashSecret('x') }
    await assert.rejects(api.operate('acl.bootstrap', identity), /no longer allowed/)
  })

  test('an initial management token that was deleted does not come back', async () => {
    const initialManagement = randomUUID()
    const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-acl-'))
    try {
      const options = { acl: { ...ON, initialManagement }, dataDir, devMode: false }
      const secret = randomUUID()
      {
        await using first = await startServer(options)
        const api = first.server.api.as(() => initialManagement)
        const self = async () =>
          (await api.read('acl.token.self', {}).catch(() => undefined))?.value
        let initial = await self()
        while (initial === undefined || initial === null) {
          await new Promise((resolve) => setImmediate(resolve))
          initial = await self()
        }
        const token = tokenOf(secret, { policies: [{ id: '', name: 'global-management' }] })
        await api.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
        const other = first.server.api.as(() => secret)
        await other.write({ kind: 'acl.token.delete', accessorId: initial.accessorId })
      }
      await using second = await startServer(options)
      const api = second.server.api.as(() => secret)
      // What a leader does at its beginning comes before this write.
      for (let round = 0; round < 3; round += 1) await api.write(set('round', round))
      const tokens = (await api.read('acl.token.list', {} as never)).value
      assert.deepEqual(
        tokens.filter(({ description }) => description.startsWith('Initial')).length,
        0,
      )
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  test('a file with the right number allows one more bootstrap', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-acl-'))
    try {
      await using other = await startServer({ acl: ON, dataDir, devMode: false })
      const { api } = other.server
      const identity = () => ({ accessorId: randomUUID(), secretHash: hashSecret(randomUUID()) })
      await api.as(() => '').operate('acl.bootstrap', identity())
      const refusal = await api
        .as(() => '')
        .operate('acl.bootstrap', identity())
        .catch(String)
      const index = /reset index: (\d+)/.exec(String(refusal))?.[1]
      await writeFile(join(dataDir, 'acl-bootstrap-reset'), '3')
      await assert.rejects(
        api.as(() => '').operate('acl.bootstrap', identity()),
        new RegExp(`Invalid bootstrap reset index \\(specified 3, reset index: ${index}\\)`),
      )
      await writeFile(join(dataDir, 'acl-bootstrap-reset'), `${index}\n`)
      await api.as(() => '').operate('acl.bootstrap', identity())
      await assert.rejects(api.as(() => '').operate('acl.bootstrap', identity()), /no longer/)
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

describe('rights', () => {
  test('a refusal names token, right and thing', async () => {
    const weak = await bearerOf('key_prefix "a/" { policy = "read" }')
    const { value } = await weak.read('acl.token.self', {})
    await assert.rejects(weak.write(set('a/b')), {
      code: 'PERMISSION_DENIED',
      message: `Permission denied: token with AccessorID '${value?.accessorId}' lacks permission 'key:write' on "a/b"`,
    })
    await assert.rejects(as('').read('kv.get', { key: 'x' }), {
      message:
        'Permission denied: anonymous token lacks permission \'key:read\' on "x". The anonymous token is used implicitly when a request does not specify a token.',
    })
    await assert.rejects(weak.read('acl.policy.list', {}), /lacks permission 'acl:read'$/)
  })

  test('lists leave out what may not be seen and say so', async () => {
    for (const key of ['seen/1', 'seen/2', 'hidden/1']) await root.write(set(key))
    const weak = await bearerOf('key_prefix "seen/" { policy = "read" }')
    const found = await weak.read('kv.list', { prefix: '' })
    assert.deepEqual(
      found.value.map(({ key }) => key),
      ['seen/1', 'seen/2'],
    )
    assert.equal(found.isFiltered, true)
    const all = await root.read('kv.list', { prefix: 'seen/' })
    assert.equal(all.isFiltered, undefined)
  })

  test('a tree is deleted only by who may write all of it', async () => {
    const weak = await bearerOf(
      'key_prefix "t/" { policy = "write" }\nkey "t/kept" { policy = "read" }',
    )
    const tree = { kind: 'kv', op: { verb: 'delete-tree', key: 't/' }, now: NOW } as const
    await assert.rejects(weak.write(tree), { code: 'PERMISSION_DENIED' })
    await weak.write({ kind: 'kv', op: { verb: 'delete-tree', key: 't/x' }, now: NOW })
  })

  test("another's node or service is not taken over", async () => {
    const request = {
      id: '',
      address: '10.0.0.1',
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: false,
      checks: [],
    }
    const service = {
      kind: '' as const,
      id: 'x',
      service: 'web',
      tags: [],
      address: '',
      port: 1,
      socketPath: '',
      taggedAddresses: {},
      meta: null,
      weights: { passing: 1, warning: 1 },
      enableTagOverride: false,
      connectNative: false,
    }
    await root.write({ kind: 'register', request: { ...request, node: 'theirs', service } })
    const weak = await bearerOf(
      'node "mine" { policy = "write" } service "api" { policy = "write" }',
    )
    await weak.write({ kind: 'register', request: { ...request, node: 'mine' } })
    const evil = { ...request, node: 'theirs', address: '6.6.6.6' }
    await assert.rejects(
      weak.write({ kind: 'register', request: evil }),
      /'node:write' on "theirs"/,
    )
    const upper = { ...evil, node: 'THEIRS' }
    await assert.rejects(weak.write({ kind: 'register', request: upper }), /'node:write'/)
    const renamed = {
      ...request,
      node: 'theirs',
      skipNodeUpdate: true,
      service: { ...service, service: 'api' },
    }
    await assert.rejects(
      weak.write({ kind: 'register', request: renamed }),
      /'service:write' on "web"/,
    )
    const gone = { node: 'theirs', serviceId: 'x' }
    await assert.rejects(
      weak.write({ kind: 'deregister', request: gone }),
      /'service:write' on "web"/,
    )
    await assert.rejects(
      weak.write({ kind: 'deregister', request: { node: 'theirs' } }),
      /'node:write'/,
    )
  })

  test('nobody takes the place of a node by its id', async () => {
    const id = randomUUID()
    const node = {
      id,
      node: 'holder',
      address: '10.0.0.1',
      datacenter: 'dc1',
      taggedAddresses: null,
      meta: null,
    }
    const request = { ...node, skipNodeUpdate: false, checks: [] }
    await root.write({ kind: 'register', request })
    const weak = await bearerOf('node "thief" { policy = "write" }')
    await assert.rejects(
      weak.write({ kind: 'register', request: { ...request, node: 'thief' } }),
      /'node:write' on "holder"/,
    )
    for (const verb of ['set', 'cas'] as const) {
      const ops = [{ type: 'node', verb, node: { ...node, node: 'thief' }, index: 0 }] as const
      const result = await weak.write({ kind: 'txn', ops, now: NOW })
      assert.match(
        result.ok ? 'written' : (result.txnErrors?.[0]?.what ?? ''),
        /'node:write' on "holder"/,
      )
    }
    const { value } = await root.read('catalog.node', { node: 'holder' })
    assert.equal(value?.node.id, id)
  })

  test('operations of a transaction are refused one by one', async () => {
    const weak = await bearerOf('key_prefix "a/" { policy = "write" }')
    const entry = { key: 'b', value: new Uint8Array(), flags: 0n, session: '' }
    const result = await weak.write({
      kind: 'txn',
      ops: [{ type: 'kv', op: { verb: 'set', entry } }],
      now: NOW,
    })
    assert.equal(result.ok, false)
    assert.match(!result.ok ? (result.txnErrors[0]?.what ?? '') : '', /'key:write' on "b"/)
  })

  test('assertions of a transaction that only reads tell nothing of what may not be read', async () => {
    await root.write(set('told/nothing'))
    const weak = await bearerOf('key_prefix "a/" { policy = "write" }')
    for (const key of ['told/nothing', 'told/absent']) {
      const op = { verb: 'check-not-exists', key } as const
      const { value } = await weak.read('txn.read', { ops: [{ type: 'kv', op }] })
      assert.equal(value.ok, false)
      assert.match(value.ok ? '' : (value.errors[0]?.what ?? ''), /lacks permission 'key:read'/)
    }
  })

  test('no token can be made while access control is off', async () => {
    await using other = await startServer({})
    const token = tokenOf(randomUUID(), { policies: [{ id: '', name: 'global-management' }] })
    const write = other.server.api.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
    await assert.rejects(write, { code: 'ACL_DISABLED', message: 'ACL support disabled' })
    const identity = { accessorId: randomUUID(), secretHash: hashSecret('x') }
    const bootstrap = other.server.api.operate('acl.bootstrap', identity)
    await assert.rejects(bootstrap, { code: 'ACL_DISABLED' })
  })

  test('operators, snapshots and CA settings need their rights', async () => {
    const weak = await bearerOf('operator = "read"')
    await weak.operate('raft.configuration', { stale: false })
    await assert.rejects(weak.operate('raft.transfer-leader', {}), /'operator:write'$/)
    await assert.rejects(weak.saveImage({ stale: true }), /'acl:write'$/)
    await assert.rejects(weak.operate('acl.logout', {}), /wasn't created via login/)
    await weak.read('ca.config', {})
    await assert.rejects(as('').read('ca.config', {}), /'operator:read'/)
  })

  test('a blocked read is judged by the rights at its end', async () => {
    const secret = randomUUID()
    const token = tokenOf(secret, { policies: [{ id: '', name: 'global-management' }] })
    await root.write({ kind: 'acl.token.set', token, mode: 'create', now: NOW })
    await root.write(set('wait'))
    const { index } = await as(secret).read('kv.get', { key: 'wait' })
    const blocked = as(secret).read('kv.get', { key: 'wait' }, { minIndex: index, waitMs: 60_000 })
    blocked.catch(() => {})
    await root.write({ kind: 'acl.token.delete', accessorId: token.accessorId })
    await root.write(set('wait', 2))
    await assert.rejects(blocked, { message: 'ACL not found' })
  })

  test('who loses a right while a read is blocked is not told what came', async () => {
    const id = randomUUID()
    const policy = (rules: string) => ({
      id,
      name: `p-${id}`,
      description: '',
      rules,
      datacenters: [],
    })
    const secret = randomUUID()
    const mode = 'create'
    const may = policy('key "lost" { policy = "read" }')
    await root.write({ kind: 'acl.policy.set', policy: may, mode })
    const token = tokenOf(secret, { policies: [{ id, name: '' }] })
    await root.write({ kind: 'acl.token.set', token, mode, now: NOW })
    await root.write(set('lost'))
    const { index } = await as(secret).read('kv.get', { key: 'lost' })
    const blocked = as(secret).read('kv.get', { key: 'lost' }, { minIndex: index, waitMs: 60_000 })
    blocked.catch(() => {})
    const mayNot = policy('key "lost" { policy = "deny" }')
    await root.write({ kind: 'acl.policy.set', policy: mayNot, mode: 'update' })
    await root.write(set('lost', 2))
    await assert.rejects(blocked, /'key:read' on "lost"/)
  })
})
