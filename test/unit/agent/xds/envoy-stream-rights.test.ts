/**
 * An Envoy is told nothing before its token was found good for the service of its sidecar.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EnvoyStream, type EnvoyStreamDeps, RIGHTS_MS } from '../../../../agent/xds/envoy-stream.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import type { XdsRequest } from '../../../../runtime/rpc/envoy-codec.ts'
import type { XdsStream } from '../../../../runtime/rpc/xds-host.ts'

const SIDECAR = 'web-sidecar-proxy'

class Wire implements XdsStream {
  readonly token = 'secret'
  readonly failures: FairleadError[] = []
  request: (request: XdsRequest) => void = () => {}
  end: () => void = () => {}
  onRequest(listener: (request: XdsRequest) => void): void {
    this.request = listener
  }
  onEnd(listener: () => void): void {
    this.end = listener
  }
  send(): void {}
  fail(error: FairleadError): void {
    this.failures.push(error)
  }
}

function streamWith(assertMayServe: NonNullable<EnvoyStreamDeps['assertMayServe']>) {
  const wire = new Wire()
  const claims: string[] = []
  const service = { id: SIDECAR, kind: 'connect-proxy', proxy: { destinationServiceName: 'web' } }
  const clock = new ManualClock()
  const deps = {
    clock,
    log: silentLogger,
    local: { services: () => new Map([[SIDECAR, { service }]]) },
    mesh: {
      claim: ({ sidecarId }: { sidecarId: string }) => {
        claims.push(sidecarId)
        return { release: () => {} }
      },
    },
    dataPlanes: { connected: () => () => {} },
    assertMayServe,
  } as unknown as EnvoyStreamDeps
  new EnvoyStream(wire, deps)
  const request = { typeUrl: 'x', node: { id: SIDECAR, program: 'envoy' } } as unknown as XdsRequest
  return { wire, clock, claims, ask: () => wire.request(request) }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

test('one whose token may not be the service is refused and claims nothing', async () => {
  const asked: string[][] = []
  const { wire, claims, ask } = streamWith(async (...what) => {
    asked.push(what)
    throw new FairleadError('PERMISSION_DENIED', 'Permission denied')
  })
  ask()
  ask()
  await settle()
  assert.deepEqual(asked, [['secret', 'web']])
  assert.deepEqual(claims, [])
  assert.equal(wire.failures[0]?.code, 'PERMISSION_DENIED')
})

test('one whose token may be the service claims its sidecar', async () => {
  const { wire, claims, ask } = streamWith(async () => {})
  ask()
  assert.deepEqual(claims, [])
  await settle()
  assert.deepEqual(claims, [SIDECAR])
  assert.deepEqual(wire.failures, [])
})

test('one whose token is taken away is let go', async () => {
  let isAllowed = true
  const { wire, clock, ask } = streamWith(async () => {
    if (!isAllowed) throw new FairleadError('PERMISSION_DENIED', 'ACL not found')
  })
  ask()
  await settle()
  clock.advance(RIGHTS_MS)
  await settle()
  assert.equal(wire.failures.length, 0)
  isAllowed = false
  clock.advance(RIGHTS_MS)
  await settle()
  assert.equal(wire.failures[0]?.message, 'ACL not found')
})

test('one that went away meanwhile claims nothing', async () => {
  const gate = Promise.withResolvers<void>()
  const { wire, claims, ask } = streamWith(() => gate.promise)
  ask()
  wire.end()
  gate.resolve()
  await settle()
  assert.deepEqual(claims, [])
  assert.deepEqual(wire.failures, [])
})
