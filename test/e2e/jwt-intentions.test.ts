/**
 * Intentions that ask for tokens: keys given and fetched, places, claims, forwarding, and keys that change.
 */

import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { commandsOf, startAgent } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import { call, meshFlags, register, startApp } from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

async function issuer(name: string, kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }
  const sign = (claims: JWTPayload, expires = '1h'): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(name)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(privateKey)
  return { jwks: JSON.stringify({ keys: [jwk] }), sign }
}

test('tokens of providers open what intentions keep closed', async () => {
  await using agent = await startAgent({ flags: meshFlags() })
  const { fails } = commandsOf(() => agent)
  let seen: IncomingHttpHeaders = {}
  await using app = await startApp('payments', (incoming, response) => {
    seen = incoming.headers
    response.end(incoming.url)
  })
  const [okta, cloud, next] = [
    await issuer('https://okta.test', 'o1'),
    await issuer('https://cloud.test', 'c1'),
    await issuer('https://cloud.test', 'c2'),
  ]
  let published = cloud.jwks
  let fetches = 0
  const keys = createServer((_request, response) => {
    fetches++
    response.end(published)
  })
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve))
  try {
    const port = await freePort()
    const proxy = { Proxy: { Config: { protocol: 'http' } } }
    await register(agent, { Name: 'payments', Port: app.port, Connect: { SidecarService: proxy } })
    const Upstreams = [{ DestinationName: 'payments', LocalBindPort: port }]
    await register(agent, {
      Name: 'cart',
      Port: await freePort(),
      Connect: { SidecarService: { Proxy: { Upstreams } } },
    })
    const config = async (entry: object): Promise<void> => {
      const answer = await agent.put('/v1/config', entry)
      assert.equal(answer.status, 200, await answer.text())
    }
    await config({ Kind: 'service-defaults', Name: 'payments', Protocol: 'http' })
    const intentions = {
      Kind: 'service-intentions',
      Name: 'payments',
      JWT: { Providers: [{ Name: 'okta' }, { Name: 'cloud' }] },
      Sources: [
        {
          Name: 'cart',
          Permissions: [
            {
              Action: 'allow',
              HTTP: { PathPrefix: '/admin' },
              JWT: {
                Providers: [
                  { Name: 'okta', VerifyClaims: [{ Path: ['realm', 'roles'], Value: 'admin' }] },
                ],
              },
            },
            { Action: 'deny', HTTP: { PathPrefix: '/admin' } },
            { Action: 'allow', HTTP: { PathPrefix: '/' } },
          ],
        },
        { Name: '*', Action: 'deny' },
      ],
    }
    const early = await agent.put('/v1/config', intentions)
    assert.equal(early.status, 500)
    assert.match(await early.text(), /JWT provider "okta" does not exist/)
    await config({
      Kind: 'jwt-provider',
      Name: 'okta',
      Issuer: 'https://okta.test',
      Audiences: ['payments'],
      JSONWebKeySet: { Local: { JWKS: Buffer.from(okta.jwks).toString('base64') } },
      Forwarding: { HeaderName: 'X-Payload', PadForwardPayloadHeader: true },
    })
    await config({
      Kind: 'jwt-provider',
      Name: 'cloud',
      Issuer: 'https://cloud.test',
      JSONWebKeySet: {
        Remote: {
          URI: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`,
          CacheDuration: '1s',
          FetchAsynchronously: true,
        },
      },
      Locations: [
        { Header: { Name: 'X-Cloud', ValuePrefix: 'tok:', Forward: true } },
        { Cookie: { Name: 'session' } },
        { QueryParam: { Name: 'jwt' } },
      ],
    })
    await config(intentions)
    const shown = await agent.json<{ readonly JWT: unknown; readonly Sources: readonly object[] }>(
      '/v1/config/service-intentions/payments',
    )
    assert.deepEqual(shown.JWT, intentions.JWT)
    assert.deepEqual(
      (shown.Sources[0] as { readonly Permissions: readonly { readonly JWT: unknown }[] })
        .Permissions[0]?.JWT,
      intentions.Sources[0]?.Permissions?.[0]?.JWT,
    )

    const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
      (await call('127.0.0.1', port, path, { headers })).status
    const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
    const good = await okta.sign({ aud: 'payments', sub: 'me' })
    await eventually('a token opens the door', async () =>
      (await status('/a', bearer(good))) === 200 ? true : undefined,
    )
    const payload = good.split('.')[1] ?? ''
    assert.equal(
      Buffer.from(String(seen['x-payload']), 'base64').toString(),
      Buffer.from(payload, 'base64url').toString(),
    )
    assert.equal(seen.authorization, undefined, 'the application does not get the token')

    // Without a token, with a forged, expired or foreign one, and with one for somebody else.
    assert.equal(await status('/a'), 403)
    assert.equal(await status('/a', bearer(`${good.slice(0, -8)}AAAAAAAA`)), 403)
    assert.equal(await status('/a', bearer(await okta.sign({ aud: 'payments' }, '-1h'))), 403)
    assert.equal(await status('/a', bearer(await okta.sign({ aud: 'other' }))), 403)
    assert.equal(await status('/a', bearer(await next.sign({}))), 403)
    assert.equal(await status('/a', { authorization: good }), 403)
    assert.equal(await status(`/a?access_token=${good}`), 200)

    // Permissions: one needs a role.
    assert.equal(await status('/admin', bearer(good)), 403)
    const admin = await okta.sign({ aud: ['x', 'payments'], realm: { roles: ['dev', 'admin'] } })
    assert.equal(await status('/admin/x', bearer(admin)), 200)

    // Keys that were fetched, in three places; what another provider forwards cannot be written by hand.
    const token = await cloud.sign({ sub: 'you' })
    assert.equal(await status('/b', { 'x-cloud': `tok:${token}`, 'x-payload': 'forged' }), 200)
    assert.equal(seen['x-payload'], undefined)
    assert.equal(seen['x-cloud'], `tok:${token}`)
    assert.equal(await status('/b', { cookie: `a=b; session=${token}` }), 200)
    assert.equal(await status(`/b?x=1&jwt=${token}`), 200)
    assert.equal(await status('/b', bearer(token)), 403)

    // Other keys at the same place are taken over, and the old ones forgotten.
    const fresh = await next.sign({})
    assert.equal(await status('/b', { 'x-cloud': `tok:${fresh}` }), 403)
    published = next.jwks
    await eventually('the new keys are known', async () =>
      (await status('/b', { 'x-cloud': `tok:${fresh}` })) === 200 ? true : undefined,
    )
    assert.equal(await status('/b', { 'x-cloud': `tok:${token}` }), 403)
    assert.ok(fetches >= 2)

    // A caller of whom no token is asked cannot write what a provider forwards either.
    const open = { ...intentions, JWT: undefined, Sources: [...intentions.Sources] }
    open.Sources[0] = {
      Name: 'cart',
      Permissions: [
        {
          Action: 'allow',
          HTTP: { PathPrefix: '/admin' },
          JWT: { Providers: [{ Name: 'okta', VerifyClaims: [{ Path: ['a'], Value: 'b' }] }] },
        },
        { Action: 'allow', HTTP: { PathPrefix: '/' } },
      ],
    }
    await config(open)
    await eventually('no token is asked for', async () =>
      (await status('/open', { 'x-payload': 'forged' })) === 200 ? true : undefined,
    )
    assert.equal(seen['x-payload'], undefined)

    assert.match(
      await fails('config', 'delete', '-kind=jwt-provider', '-name=okta'),
      /cannot delete jwt-provider "okta": the intention (?:cart|\*) => payments refers to it/,
    )
  } finally {
    keys.close()
  }
})
