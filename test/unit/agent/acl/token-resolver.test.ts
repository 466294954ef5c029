/**
 * What an agent goes by when servers say what a token may do, and while they do not (agent-config.md 9).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TokenResolver } from '../../../../agent/acl/token-resolver.ts'
import type { ResolvedToken } from '../../../../core/acl/records.ts'
import { readRules } from '../../../../core/acl/rule-reader.ts'
import type { DownPolicy } from '../../../../core/config/acl.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

/** Servers that know one token, or do not answer. */
class Servers {
  rules = 'key_prefix "" { policy = "read" }'
  expiresAt = 0
  isAway = false
  asked = 0

  as(secret: () => string): ServerApi {
    const read = async (): Promise<unknown> => {
      this.asked += 1
      if (this.isAway) throw new FairleadError('NO_SERVERS', 'No known Consul servers')
      if (secret() !== 'known') throw new FairleadError('PERMISSION_DENIED', 'ACL not found')
      const value: ResolvedToken = {
        accessorId: 'a',
        rules: readRules(this.rules),
        expiresAt: this.expiresAt,
      }
      return { value, index: 1, knownLeader: true, lastContactMs: 0 }
    }
    return { read } as unknown as ServerApi
  }
}

function resolverOf(downPolicy: DownPolicy, ttlMs = 1_000) {
  const servers = new Servers()
  const clock = new ManualClock()
  const resolver = new TokenResolver(
    { nodeName: 'n1', defaultPolicy: 'deny', downPolicy, ttlMs, recoverySecret: () => 'recovery' },
    { servers, clock, log: silentLogger },
  )
  const mayRead = async (secret = 'known'): Promise<boolean> =>
    (await resolver.resolve(secret)).authorizer.allows('key', 'read', 'x')
  return { servers, clock, resolver, mayRead }
}

describe('the resolver of tokens', () => {
  test('asks once in the time of an answer, and again after it', async () => {
    const { servers, clock, mayRead } = resolverOf('extend-cache')
    assert.ok(await mayRead())
    assert.ok(await mayRead())
    assert.equal(servers.asked, 1)
    servers.rules = ''
    clock.advance(1_001)
    assert.equal(await mayRead(), false)
    assert.equal(servers.asked, 2)
  })

  test('asks once for many who ask at a time', async () => {
    const { servers, mayRead } = resolverOf('extend-cache')
    await Promise.all([mayRead(), mayRead(), mayRead()])
    assert.equal(servers.asked, 1)
  })

  test('forgets at once a token that is none any more', async () => {
    const { servers, resolver, mayRead } = resolverOf('extend-cache', 0)
    assert.ok(await mayRead())
    await assert.rejects(resolver.resolve('other'), { message: 'ACL not found' })
    assert.equal(servers.asked, 2)
  })

  test('asks about a secret of no token once in a while, however often it comes', async () => {
    const { servers, clock, resolver } = resolverOf('extend-cache', 30_000)
    for (let i = 0; i < 10; i++) await assert.rejects(resolver.resolve('other'), /ACL not found/)
    assert.equal(servers.asked, 1)
    clock.advance(2_000)
    await assert.rejects(resolver.resolve('other'), /ACL not found/)
    assert.equal(servers.asked, 2)
  })

  test('gives one authorizer for as long as the rules are the same', async () => {
    const { servers, clock, resolver } = resolverOf('extend-cache')
    const { authorizer } = await resolver.resolve('known')
    clock.advance(1_001)
    assert.equal((await resolver.resolve('known')).authorizer, authorizer)
    assert.equal(servers.asked, 2)
    servers.rules = ''
    clock.advance(1_001)
    assert.notEqual((await resolver.resolve('known')).authorizer, authorizer)
  })

  const DOWN: readonly (readonly [DownPolicy, known: boolean, unknown: boolean])[] = [
    ['extend-cache', true, false],
    ['async-cache', true, false],
    ['deny', false, false],
    ['allow', true, true],
  ]
  for (const [policy, known, unknown] of DOWN) {
    test(`goes by ${policy} while no server answers`, async () => {
      const { servers, clock, mayRead } = resolverOf(policy)
      await mayRead()
      servers.isAway = true
      clock.advance(5_000)
      // The first question may still be answered while others are asked.
      await mayRead()
      assert.equal(await mayRead(), known)
      assert.equal(await mayRead('never seen'), unknown)
    })
  }

  test('does not extend what has ended', async () => {
    const { servers, clock, mayRead } = resolverOf('extend-cache')
    servers.expiresAt = clock.wall() + 2_000
    assert.ok(await mayRead())
    servers.isAway = true
    clock.advance(3_000)
    assert.equal(await mayRead(), false)
  })

  test('knows the recovery token without servers, for this agent alone', async () => {
    const { servers, resolver } = resolverOf('deny')
    servers.isAway = true
    const { authorizer } = await resolver.resolve('recovery')
    assert.ok(authorizer.allows('agent', 'write', 'n1'))
    assert.ok(authorizer.allows('node', 'read', 'n2'))
    assert.equal(authorizer.allows('agent', 'write', 'n2'), false)
    assert.equal(authorizer.allows('key', 'read', 'x'), false)
    assert.equal(servers.asked, 0)
  })
})
