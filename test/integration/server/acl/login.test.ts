/**
 * Logins with a JWT at a real server: who gets which token, and who gets none (http-api.md 24.4, 24.5).
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { hashSecret } from '../../../../core/acl/secret.ts'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { ACL_OFF, type RunningServer, startServer } from '../running-server.ts'

/** A placeholder of binding rules. */
const WHO = '$' + '{value.name}'

let running: RunningServer
let root: ServerApi
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

const CONFIG = {
  JWTSupportedAlgs: ['ES256'],
  BoundIssuer: 'issuer',
  BoundAudiences: ['fleet'],
  ClaimMappings: { sub: 'name', '/nested/team': 'team' },
  ListClaimMappings: { groups: 'groups' },
}

function jwt(
  claims: object,
  options: { readonly key?: KeyObject; readonly header?: object } = {},
): string {
  const header = options.header ?? { alg: 'ES256', typ: 'JWT' }
  const now = Math.floor(Date.now() / 1000)
  const full = { iss: 'issuer', aud: 'fleet', iat: now, exp: now + 60, ...claims }
  const text = [header, full]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const key = options.key ?? privateKey
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

function login(authMethod: string, bearerToken: string, secret = randomUUID()) {
  return running.server.api
    .as(() => '')
    .operate('acl.login', {
      accessorId: randomUUID(),
      secretHash: hashSecret(secret),
      authMethod,
      bearerToken,
      meta: { host: 'vm-a' },
    })
}

async function method(name: string, config: JsonObject): Promise<void> {
  await root.write({
    kind: 'acl.auth-method.set',
    mode: 'create',
    method: {
      name,
      type: 'jwt',
      displayName: '',
      description: '',
      maxTokenTtl: '5m',
      tokenLocality: 'local',
      config,
    },
  })
}

async function rule(
  authMethod: string,
  change: {
    selector?: string
    bindType?: string
    bindName?: string
    bindVars?: Record<string, string>
  },
): Promise<void> {
  const base = { selector: '', bindType: 'service', bindName: WHO, bindVars: {} }
  const id = randomUUID()
  const full = { id, description: '', authMethod, ...base, ...change }
  await root.write({ kind: 'acl.binding-rule.set', mode: 'create', rule: full })
}

before(async () => {
  running = await startServer({ acl: { ...ACL_OFF, enabled: true, defaultPolicy: 'deny' } })
  const secret = randomUUID()
  const identity = { accessorId: randomUUID(), secretHash: hashSecret(secret) }
  await running.server.api.as(() => '').operate('acl.bootstrap', identity)
  root = running.server.api.as(() => secret)
  await method('vm', { ...CONFIG, JWTValidationPubKeys: [pem] })
  await rule('vm', { selector: 'value.team == "web" and "ops" in list.groups' })
  await rule('vm', {
    selector: 'value.team == "admin"',
    bindType: 'policy',
    bindName: 'global-management',
  })
  await rule('vm', { bindType: 'role', bindName: `nobody-made-${WHO}` })
  await rule('vm', {
    selector: 'value.team == "template"',
    bindType: 'templated-policy',
    bindName: 'builtin/node',
    bindVars: { name: WHO },
  })
})
after(() => running[Symbol.asyncDispose]())

const WEB = { sub: 'shop', nested: { team: 'web' }, groups: ['ops', 'dev'] }

describe('a login', () => {
  test('gives what the binding rules say, for as long as the method says', async () => {
    const secret = randomUUID()
    const token = await login('vm', jwt(WEB), secret)
    assert.deepEqual(token.serviceIdentities, [{ serviceName: 'shop', datacenters: [] }])
    assert.deepEqual(token.policies, [])
    assert.equal(token.authMethod, 'vm')
    assert.equal(token.local, true)
    assert.equal(token.description, 'token created via login: {"host":"vm-a"}')
    assert.ok(Math.abs(token.expiresAt - token.createdAt - 300_000) < 1)
    const mine = running.server.api.as(() => secret)
    assert.equal((await mine.read('acl.token.self', {})).value?.accessorId, token.accessorId)
    await mine.operate('acl.logout', {})
    await assert.rejects(mine.read('acl.token.self', {}), { message: 'ACL not found' })
  })

  test('binds policies and templated policies too', async () => {
    const admin = await login('vm', jwt({ ...WEB, nested: { team: 'admin' } }))
    assert.equal(admin.policies[0]?.name, 'global-management')
    const node = await login('vm', jwt({ ...WEB, nested: { team: 'template' } }))
    assert.deepEqual(node.templatedPolicies[0]?.variables, { name: 'shop' })
  })

  test('goes with its method, as do the rules', async () => {
    await method('short', { ...CONFIG, JWTValidationPubKeys: [pem] })
    await rule('short', {})
    const secret = randomUUID()
    await login('short', jwt(WEB), secret)
    await root.write({ kind: 'acl.auth-method.delete', name: 'short' })
    const mine = running.server.api.as(() => secret)
    await assert.rejects(mine.read('acl.token.self', {}), { message: 'ACL not found' })
    assert.deepEqual((await root.read('acl.binding-rule.list', { authMethod: 'short' })).value, [])
  })

  test('takes keys from a URL, and asks again for one that is new', async () => {
    const keys: object[] = []
    const server = createServer((_, response) => response.end(JSON.stringify({ keys })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as AddressInfo
      await method('url', { ...CONFIG, JWKSURL: `http://127.0.0.1:${port}/` })
      await rule('url', {})
      keys.push({ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256' })
      const header = { alg: 'ES256', kid: 'one' }
      const token = await login('url', jwt(WEB, { header }))
      assert.equal(token.serviceIdentities[0]?.serviceName, 'shop')
      const other = jwt(WEB, { header: { alg: 'ES256', kid: 'two' }, key: stranger.privateKey })
      await assert.rejects(login('url', other), { code: 'PERMISSION_DENIED' })
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})

describe('a login is refused', () => {
  const hour = 3600
  const now = Math.floor(Date.now() / 1000)
  const REFUSED: readonly (readonly [string, () => string, RegExp])[] = [
    ['that no rule selects', () => jwt({ ...WEB, groups: [] }), /^Permission denied$/],
    ['signed by another key', () => jwt(WEB, { key: stranger.privateKey }), /signature/],
    ['of another issuer', () => jwt({ ...WEB, iss: 'other' }), /"iss"/],
    ['for somebody else', () => jwt({ ...WEB, aud: 'other' }), /"aud"/],
    ['that has expired', () => jwt({ ...WEB, iat: now - 2 * hour, exp: now - hour }), /expired/],
    [
      'that is not valid yet',
      () => jwt({ ...WEB, nbf: now + hour, exp: now + 2 * hour }),
      /not valid yet/,
    ],
    [
      'without a signature',
      () =>
        `${jwt(WEB, { header: { alg: 'none' } })
          .split('.')
          .slice(0, 2)
          .join('.')}.`,
      /algorithm|signature/,
    ],
    [
      'with an algorithm of secrets',
      () => jwt(WEB, { header: { alg: 'HS256' } }),
      /algorithm|signature/,
    ],
    ['that is no JWT', () => 'nonsense', /signature/],
    [
      'with a name that is none',
      () => jwt({ ...WEB, sub: 'a" { policy = "write" } key_prefix "' }),
      /invalid name/,
    ],
  ]
  for (const [what, make, message] of REFUSED) {
    test(what, async () => {
      await assert.rejects(login('vm', make()), { code: 'PERMISSION_DENIED', message })
    })
  }

  test('where a claim is absent or empty that a name is made of', async () => {
    await method('parts', { ...CONFIG, JWTValidationPubKeys: [pem] })
    await rule('parts', { bindName: 'web-$' + '{value.team}' })
    for (const nested of [{}, { team: '' }, { team: ['a'] }]) {
      await assert.rejects(
        login('parts', jwt({ ...WEB, nested })),
        /^FairleadError: Permission denied$/,
      )
    }
    const { serviceIdentities } = await login('parts', jwt(WEB))
    assert.deepEqual(serviceIdentities[0]?.serviceName, 'web-web')
  })

  test('with a method that is not there', async () => {
    await assert.rejects(login('none', jwt(WEB)), {
      code: 'PERMISSION_DENIED',
      message: /ACL not found/,
    })
  })

  test('and the token is not repeated in the refusal', async () => {
    const bearer = jwt(WEB, { key: stranger.privateKey })
    await assert.rejects(
      login('vm', bearer),
      (thrown: Error) => !thrown.message.includes(bearer.slice(0, 40)),
    )
  })
})

describe('an auth method is refused', () => {
  const WRONG: readonly (readonly [string, JsonObject, RegExp])[] = [
    ['without keys', {}, /exactly one of/],
    [
      'with two sources of keys',
      { JWKSURL: 'https://a/', OIDCDiscoveryURL: 'https://b/' },
      /exactly one of/,
    ],
    [
      'with a setting that is none',
      { JWKSURL: 'https://a/', JwksUrl: 'x' },
      /JwksUrl is not known/,
    ],
    [
      'with an algorithm of secrets',
      { JWKSURL: 'https://a/', JWTSupportedAlgs: ['HS256'] },
      /HS256/,
    ],
    ['with another kind of URL', { JWKSURL: 'file:///etc/passwd' }, /no URL of http/],
  ]
  for (const [what, config, message] of WRONG) {
    test(what, async () => {
      await assert.rejects(method(`m${randomUUID()}`, config), { code: 'REJECTED', message })
    })
  }
})
