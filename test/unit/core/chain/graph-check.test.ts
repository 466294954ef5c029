/**
 * Changes of one entry that would break a chain, its own or another's (mesh.md 7.15).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChainEntryKind } from '../../../../core/chain/entries.ts'
import { brokenByChange } from '../../../../core/chain/graph-check.ts'
import { type Written, written } from './written-entries.ts'

const HTTP = { Protocol: 'http' }
const base: Written = {
  'service-defaults/web': HTTP,
  'service-defaults/api': HTTP,
  'service-splitter/web': { Splits: [{ Weight: 100, Service: 'api', ServiceSubset: 'v1' }] },
  'service-resolver/api': { Subsets: { v1: { Filter: 'a == b' } } },
  'service-resolver/old': { Redirect: { Service: 'api', ServiceSubset: 'v1' } },
}

function problem(
  kind: ChainEntryKind,
  name: string,
  before: Written,
  after: Written,
): string | undefined {
  return brokenByChange(
    { kind, name },
    { before: written(before), after: written(after), datacenter: 'dc1' },
  )?.problem
}

function without(key: string): Written {
  return Object.fromEntries(Object.entries(base).filter(([k]) => k !== key))
}

test('what keeps every chain whole is let pass', () => {
  assert.equal(problem('service-resolver', 'api', without('service-resolver/api'), base), undefined)
  const more = { ...base, 'service-resolver/else': { ConnectTimeout: '1s' } }
  assert.equal(problem('service-resolver', 'else', base, more), undefined)
})

test('a subset that another chain leads to cannot go', () => {
  const text = problem('service-resolver', 'api', base, without('service-resolver/api'))
  assert.equal(text, 'service "api" does not have a subset named "v1"')
})

test('the protocol that a splitter needs cannot go', () => {
  const text = problem('service-defaults', 'web', base, without('service-defaults/web'))
  assert.match(text ?? '', /uses inconsistent protocols/)
})

test('a default protocol that routers need cannot go', () => {
  const before: Written = {
    'proxy-defaults/global': { Config: { protocol: 'http' } },
    'service-router/web': { Routes: [] },
  }
  const after: Written = { 'service-router/web': { Routes: [] } }
  assert.equal(
    problem('proxy-defaults', 'global', before, after),
    'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
  )
})

test('a chain that was broken before is no reason to refuse', () => {
  const broken: Written = {
    'service-resolver/x': { Redirect: { Service: 'y', ServiceSubset: 'n' } },
  }
  const still: Written = { ...broken, 'service-resolver/y': { ConnectTimeout: '3s' } }
  assert.equal(problem('service-resolver', 'y', broken, still), undefined)
})
