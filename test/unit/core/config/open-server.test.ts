/**
 * Servers without access control: where they may listen, and how often that has to be said.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { decodeDocument } from '../../../../core/config/decode.ts'
import { isPublicAddress } from '../../../../core/config/open-server.ts'
import { type HostFacts, resolveConfig } from '../../../../core/config/resolve.ts'

function hostWith(...addresses: readonly string[]): HostFacts {
  const interfaces = ['127.0.0.1', ...addresses].map((address) => ({
    name: 'eth0',
    address,
    prefix: 24,
    flags: ['up'],
    isDefault: true,
  }))
  return { hostname: 'vm-a', interfaces, pathKind: () => 'missing' }
}

function judged(text: string, host: HostFacts, dev = false) {
  const { raw } = decodeDocument(`data_dir = "/d"\n${text}`, 'hcl', 'a.hcl')
  const { problems, warnings } = resolveConfig(raw, dev, host)
  return {
    refused: problems.filter(({ message }) => message.includes('access control off')),
    warned: warnings.filter((text) => /access control/i.test(text)),
  }
}

const SERVER = 'server = true bootstrap_expect = 1'
const PUBLIC = hostWith('10.0.0.5', '8.8.4.4')

it('is refused on a public address, and says which and what to do', () => {
  const { refused } = judged(SERVER, PUBLIC)
  assert.match(refused[0]?.message ?? '', /8\.8\.4\.4/)
  assert.match(refused[0]?.fix ?? '', /acl \{ enabled = false \} allow_open_server = true/)
  const byClient = judged(`${SERVER} bind_addr = "10.0.0.5" client_addr = "0.0.0.0"`, PUBLIC)
  assert.equal(byClient.refused.length, 1)
  assert.equal(judged(`${SERVER} bind_addr = "2600::1"`, hostWith('10.0.0.5')).refused.length, 1)
})

it('has to be told twice', () => {
  assert.equal(judged(`${SERVER} acl { enabled = false }`, PUBLIC).refused.length, 1)
  assert.equal(judged(`${SERVER} allow_open_server = true`, PUBLIC).refused.length, 1)
  const both = judged(`${SERVER} acl { enabled = false } allow_open_server = true`, PUBLIC)
  assert.equal(both.refused.length, 0)
  assert.match(both.warned[0] ?? '', /8\.8\.4\.4/)
})

it('is warned about on a private address, and not at all on loopback or with access control', () => {
  const inside = judged(SERVER, hostWith('10.0.0.5'))
  assert.equal(inside.refused.length, 0)
  assert.match(inside.warned[0] ?? '', /10\.0\.0\.5/)
  assert.deepEqual(judged(`${SERVER} bind_addr = "127.0.0.1"`, PUBLIC), { refused: [], warned: [] })
  assert.deepEqual(judged(`${SERVER} acl { enabled = true }`, PUBLIC), { refused: [], warned: [] })
  assert.deepEqual(judged('', PUBLIC, true), { refused: [], warned: [] })
  assert.equal(judged('client_addr = "8.8.4.4"', PUBLIC, true).refused.length, 1)
})

it('is about servers: other agents are warned of', () => {
  const { refused, warned } = judged('client_addr = "8.8.4.4" bind_addr = "10.0.0.5"', PUBLIC)
  assert.equal(refused.length, 0)
  assert.match(warned[0] ?? '', /the API of this agent/)
})

it('public is what the internet reaches', () => {
  const publics = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '198.20.0.1', '2600::1', '192.1.2.3']
  for (const address of publics) assert.ok(isPublicAddress(address), address)
  const others = [
    '10.1.1.1',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.1',
    '127.0.0.1',
  ]
  const more = [
    '169.254.1.1',
    '192.0.2.2',
    '198.18.0.1',
    '203.0.113.9',
    '0.0.0.0',
    '::',
    '::1',
    'fd00::1',
  ]
  for (const address of [...others, ...more, 'fe80::1', '2001:db8::1', 'name']) {
    assert.ok(!isPublicAddress(address), address)
  }
})
