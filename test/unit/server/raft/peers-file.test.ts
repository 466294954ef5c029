/**
 * peers.json: taken whole, or refused with everything that is wrong.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import { parsePeersFile } from '../../../../server/raft/peers-file.ts'

const options = { path: '/data/raft/peers.json', selfId: 'a' }

function problemsOf(document: unknown): readonly string[] {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  try {
    parsePeersFile(text, options)
    return []
  } catch (err) {
    assert.ok(err instanceof FairleadError)
    assert.equal(err.code, 'INVALID_CONFIG')
    assert.match(err.message, /"\/data\/raft\/peers.json"/)
    const { problems } = err.facts
    assert.ok(Array.isArray(problems))
    return problems.map(String)
  }
}

describe('peers.json', () => {
  it('is a list of ids, addresses and who may vote', () => {
    const rows = [
      { id: 'a', address: '10.0.0.1:8300' },
      { id: 'b', address: '[2001:db8::1]:8300', non_voter: false },
      { id: 'c', address: 'server-c.example:8300', non_voter: true },
    ]
    assert.deepEqual(parsePeersFile(JSON.stringify(rows), options), [
      { id: 'a', address: '10.0.0.1:8300', isVoter: true },
      { id: 'b', address: '[2001:db8::1]:8300', isVoter: true },
      { id: 'c', address: 'server-c.example:8300', isVoter: false },
    ])
  })

  it('is refused with every problem of its rows at once', () => {
    const problems = problemsOf([
      { id: '', address: '10.0.0.1' },
      { id: 'b', address: '10.0.0.2:99999', non_voter: 'no' },
      { id: 'c', address: '10.0.0.3:8300', voter: true },
      'd',
    ])
    assert.deepEqual(problems, [
      'server 1 needs an "id", the node id of the server',
      'server 1 needs an "address" of the form "host:port"',
      'server 2 needs an "address" of the form "host:port"',
      'server 2: "non_voter" must be true or false',
      'server 3 has an unknown field "voter"; known are id, address, non_voter',
      'server 4 is not an object with "id" and "address"',
    ])
  })

  it('is refused when the list makes no sense', () => {
    const b = { id: 'b', address: 'b:1', non_voter: true }
    const problems = problemsOf([b, { ...b, address: 'c:1' }, { ...b, id: 'c' }])
    assert.deepEqual(problems, [
      'id "b" is listed twice',
      'address "b:1" is listed twice',
      'it lists no voter',
      'it does not list this server, "a"; place it on listed servers alone',
    ])
    assert.match(problemsOf('{')[0] ?? '', /^it is not JSON: /)
    assert.match(problemsOf({ id: 'a' })[0] ?? '', /not a list/)
    assert.match(problemsOf([])[0] ?? '', /lists no voter/)
    const many = Array.from({ length: 256 }, (_, i) => ({ id: `${i}`, address: `h:${i + 1}` }))
    assert.match(problemsOf(many)[0] ?? '', /at most 255/)
  })

  it('never fails in another way', () => {
    fc.assert(fc.property(fc.string(), (text) => void problemsOf(text)))
    fc.assert(fc.property(fc.json(), (text) => void problemsOf(text)))
    const row = fc.record(
      { id: fc.anything(), address: fc.anything(), non_voter: fc.anything() },
      { requiredKeys: [] },
    )
    fc.assert(fc.property(fc.array(row), (rows) => void problemsOf(JSON.stringify(rows))))
  })
})
