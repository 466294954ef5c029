/**
 * Suggestions are near or absent; addresses are told apart.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RENAMED } from '../../../../core/config/deprecated.ts'
import { AGENT_FLAGS } from '../../../../core/config/flags.ts'
import {
  ipFamily,
  isPrivate,
  isPublic,
  withoutMapping,
} from '../../../../core/config/ip-address.ts'
import { leaves } from '../../../../core/config/key-table.ts'
import { KEYS } from '../../../../core/config/keys.ts'
import { editDistance, nearestName } from '../../../../core/config/nearest-name.ts'

describe('nearestName', () => {
  it('finds the slip and nothing far away', () => {
    const known = ['http', 'https', 'dns', 'serf_lan']
    assert.equal(nearestName('htpp', known), 'http')
    assert.equal(nearestName('ser_lan', known), 'serf_lan')
    assert.equal(nearestName('HTTPS', known), 'https')
    assert.equal(nearestName('telemetry', known), undefined)
  })

  it('counts swaps of neighbours once', () => {
    assert.equal(editDistance('retry_jion', 'retry_join'), 1)
    assert.equal(editDistance('', 'abc'), 3)
  })
})

describe('the tables', () => {
  const known = new Set([...leaves(KEYS)].map(([path]) => path))

  it('send every renamed key and every flag to a key that exists', () => {
    for (const target of RENAMED.values()) assert.ok(known.has(target), target)
    for (const flag of AGENT_FLAGS) {
      assert.ok(known.has(flag.key) || RENAMED.has(flag.key), flag.key)
    }
  })

  it('document every supported key', () => {
    for (const [path, leaf] of leaves(KEYS)) {
      if (leaf.support !== 'none') assert.notEqual(leaf.doc, '', path)
    }
  })
})

describe('addresses', () => {
  it('are recognised', () => {
    for (const good of ['1.2.3.4', '255.255.255.255']) assert.equal(ipFamily(good), 4, good)
    for (const good of [
      '::',
      '::1',
      'fe80::1',
      '2001:db8::',
      '1:2:3:4:5:6:7:8',
      '::ffff:1.2.3.4',
    ]) {
      assert.equal(ipFamily(good), 6, good)
    }
    for (const bad of [
      '',
      '1.2.3',
      '1.2.3.256',
      '01.2.3.4',
      ':::',
      '1::2::3',
      '1:2:3',
      'g::1',
      '1:2:3:4:5:6:7:8:9',
      '1.2.3.4::',
      '::1.2.3.4:5',
    ]) {
      assert.equal(ipFamily(bad), undefined, bad)
    }
  })

  it('of IPv4 lose the mapping into IPv6, and only that', () => {
    assert.equal(withoutMapping('::ffff:10.0.0.1'), '10.0.0.1')
    for (const same of ['10.0.0.1', '::1', '::ffff:a00:1', 'fe80::1', '']) {
      assert.equal(withoutMapping(same), same)
    }
  })

  it('are private or public or neither', () => {
    for (const address of ['10.1.2.3', '172.16.0.1', '172.31.255.1', '192.168.0.1', 'fd00::1']) {
      assert.deepEqual([isPrivate(address), isPublic(address)], [true, false], address)
    }
    for (const address of ['8.8.8.8', '172.32.0.1', '2001:db8::1']) {
      assert.deepEqual([isPrivate(address), isPublic(address)], [false, true], address)
    }
    for (const address of ['127.0.0.1', '::1', '0.0.0.0', '169.254.1.1', 'fe80::1']) {
      assert.deepEqual([isPrivate(address), isPublic(address)], [false, false], address)
    }
  })
})
