/**
 * The incremental discovery protocol, driven by hand and by a model of Envoy over random histories.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type DeltaRequest,
  type DeltaResponse,
  DeltaSession,
  type Verdict,
  type Versioned,
} from '../../../../core/xds/delta-session.ts'
import { XDS_KINDS, type XdsKind, type XdsResources } from '../../../../core/xds/resource-types.ts'

function ask(kind: XdsKind, given: Partial<DeltaRequest> = {}): DeltaRequest {
  const none = { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: '', error: undefined }
  return { kind, ...none, ...given }
}

/** Resources by kind: names with their versions. */
function set(given: Partial<Record<XdsKind, Record<string, string>>>): XdsResources<Versioned> {
  const of = (kind: XdsKind): Map<string, Versioned> =>
    new Map(Object.entries(given[kind] ?? {}).map(([name, version]) => [name, { version }]))
  return Object.fromEntries(XDS_KINDS.map((kind) => [kind, of(kind)])) as never
}

function session(verdicts: Verdict[] = []): DeltaSession<Versioned> {
  return new DeltaSession<Versioned>((verdict) => void verdicts.push(verdict))
}

function told(responses: readonly DeltaResponse<Versioned>[]): unknown[] {
  return responses.map(({ kind, resources, removed }) => [
    kind,
    ...resources.map(([name, { version }]) => `${name}=${version}`),
    ...removed.map((name) => `-${name}`),
  ])
}

const ONE = {
  cluster: { app: '1', api: '1' },
  endpoints: { api: '1' },
  listener: { in: '1' },
}

describe('a discovery stream', () => {
  it('waits for the first configuration, then sends what was asked for', () => {
    const stream = session()
    assert.deepEqual(stream.request(ask('cluster')), [])
    const responses = stream.update(set(ONE))
    assert.deepEqual(told(responses), [['cluster', 'app=1', 'api=1']])
    assert.equal(responses[0]?.nonce, '00000001')
  })

  it('sends listeners only after clusters and endpoints were taken', () => {
    const stream = session()
    stream.update(set(ONE))
    const [clusters] = stream.request(ask('cluster'))
    assert.deepEqual(told(stream.request(ask('listener'))), [])
    const [endpoints] = stream.request(ask('endpoints', { subscribe: ['api'] }))
    assert.deepEqual(told([endpoints as never]), [['endpoints', 'api=1']])
    assert.deepEqual(told(stream.request(ask('cluster', { nonce: clusters?.nonce ?? '' }))), [])
    const last = stream.request(ask('endpoints', { nonce: endpoints?.nonce ?? '' }))
    assert.deepEqual(told(last), [['listener', 'in=1']])
  })

  it('does not send again what was refused until it changes', () => {
    const verdicts: Verdict[] = []
    const stream = session(verdicts)
    stream.update(set({ listener: { in: '1' } }))
    const [first] = stream.request(ask('listener'))
    const refusal = ask('listener', { nonce: first?.nonce ?? '', error: 'cannot bind' })
    assert.deepEqual(stream.request(refusal), [])
    assert.deepEqual(verdicts, [{ kind: 'listener', names: ['in'], error: 'cannot bind' }])
    assert.deepEqual(stream.update(set({ listener: { in: '1' } })), [])
    assert.deepEqual(told(stream.update(set({ listener: { in: '2' } }))), [['listener', 'in=2']])
  })

  it('sends nothing that Envoy has from an earlier stream, and takes back what is gone', () => {
    const stream = session()
    stream.update(set({ cluster: { app: '1', api: '2' } }))
    const request = ask('cluster', { initialVersions: { app: '1', api: '1', old: '9' } })
    const responses = stream.request(request)
    assert.deepEqual(told(responses), [['cluster', 'api=2']])
    const after = stream.request(ask('cluster', { nonce: responses[0]?.nonce ?? '' }))
    assert.deepEqual(told(after), [['cluster', '-old']])
  })

  it('says that there is none of a name, and sends it once there is', () => {
    const stream = session()
    stream.update(set({}))
    const [none] = stream.request(ask('secret', { subscribe: ['leaf:web'] }))
    assert.deepEqual(none?.removed, ['leaf:web'])
    assert.deepEqual(stream.request(ask('secret', { nonce: none?.nonce ?? '' })), [])
    const responses = stream.update(set({ secret: { 'leaf:web': '1' } }))
    assert.deepEqual(told(responses), [['secret', 'leaf:web=1']])
  })

  it('sends again what is asked for again', () => {
    const stream = session()
    stream.update(set({ secret: { roots: '1' } }))
    const [first] = stream.request(ask('secret', { subscribe: ['roots'] }))
    stream.request(ask('secret', { nonce: first?.nonce ?? '' }))
    const again = stream.request(ask('secret', { subscribe: ['roots'] }))
    assert.deepEqual(told(again), [['secret', 'roots=1']])
  })

  it('sends the instances of a cluster along with it, for Envoy forgets them', () => {
    const stream = session()
    stream.update(set({ cluster: { api: '1' }, endpoints: { api: '1' } }))
    const [clusters] = stream.request(ask('cluster'))
    const [endpoints] = stream.request(ask('endpoints', { subscribe: ['api'] }))
    stream.request(ask('cluster', { nonce: clusters?.nonce ?? '' }))
    stream.request(ask('endpoints', { nonce: endpoints?.nonce ?? '' }))
    const responses = stream.update(set({ cluster: { api: '2' }, endpoints: { api: '1' } }))
    assert.deepEqual(told(responses), [
      ['cluster', 'api=2'],
      ['endpoints', 'api=1'],
    ])
  })

  it('removes a cluster only after the listeners that used it are replaced', () => {
    const stream = session()
    stream.update(set({ cluster: { api: '1' }, listener: { out: '1' } }))
    const [clusters] = stream.request(ask('cluster'))
    const [listeners] = [
      ...stream.request(ask('cluster', { nonce: clusters?.nonce ?? '' })),
      ...stream.request(ask('listener')),
    ]
    stream.request(ask('listener', { nonce: listeners?.nonce ?? '' }))
    const [gone] = stream.update(set({ listener: {} }))
    assert.deepEqual(told([gone as never]), [['listener', '-out']])
    const after = stream.request(ask('listener', { nonce: gone?.nonce ?? '' }))
    assert.deepEqual(told(after), [['cluster', '-api']])
  })

  it('leaves Envoy with exactly what there is, however changes and answers interleave', () => {
    const names = ['a', 'b', 'c']
    const versions = fc.dictionary(fc.constantFrom(...names), fc.constantFrom('1', '2', '3'))
    const change = fc.record({ cluster: versions, listener: versions, secret: versions })
    const step = fc.oneof(
      change.map((resources) => ({ kind: 'change' as const, resources })),
      fc.boolean().map((isRefused) => ({ kind: 'answer' as const, isRefused })),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), change, (steps, final) => {
        const stream = session()
        const envoy = new Map<XdsKind, Map<string, string>>(
          XDS_KINDS.map((kind) => [kind, new Map()]),
        )
        const waiting: DeltaResponse<Versioned>[] = []
        const seen = new Map<string, string>()
        const receive = (responses: readonly DeltaResponse<Versioned>[]): void => {
          for (const response of responses) {
            assert.ok(!waiting.some(({ kind }) => kind === response.kind), 'one at a time')
            for (const [name, { version }] of response.resources) {
              const key = `${response.kind} ${name}`
              assert.notEqual(seen.get(key), version, 'sent twice')
              seen.set(key, version)
            }
            for (const name of response.removed) seen.delete(`${response.kind} ${name}`)
            waiting.push(response)
          }
        }
        const answer = (isRefused: boolean): void => {
          const response = waiting.shift()
          if (response === undefined) return
          const { kind, nonce } = response
          const has = envoy.get(kind) ?? new Map()
          for (const [name, { version }] of response.resources) has.set(name, version)
          for (const name of response.removed) has.delete(name)
          receive(stream.request(ask(kind, { nonce, error: isRefused ? 'no' : undefined })))
        }
        receive(stream.request(ask('cluster')))
        receive(stream.request(ask('listener')))
        receive(stream.request(ask('secret', { subscribe: names })))
        for (const each of steps) {
          if (each.kind === 'change') receive(stream.update(set(each.resources)))
          else answer(each.isRefused)
        }
        receive(stream.update(set(final)))
        while (waiting.length > 0) answer(false)
        for (const kind of ['cluster', 'listener', 'secret'] as const) {
          assert.deepEqual(
            new Map([...(envoy.get(kind) ?? [])].sort()),
            new Map(Object.entries(final[kind]).sort()),
          )
        }
      }),
      { numRuns: 500 },
    )
  })
})
