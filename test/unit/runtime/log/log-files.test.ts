/**
 * Names of log files, and which of them are old.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { wallTime } from '../../../../core/time.ts'
import { logFileNames, logFilePath, oldLogFiles } from '../../../../runtime/log/log-files.ts'

it('put the time into the name, in a folder or beside a file', () => {
  const now = wallTime(1_800_000_000_123)
  const path = (configured: string): string => logFilePath(logFileNames(configured), now)
  assert.equal(path('/var/log/'), '/var/log/fairlead-1800000000123.log')
  assert.equal(path('/var/log/agent.log'), '/var/log/agent-1800000000123.log')
  assert.equal(path('/var/log/agent'), '/var/log/agent-1800000000123.log')
  assert.equal(path('agent.txt'), 'agent-1800000000123.txt')
})

it('are old in the order of their time, and only when they are ours', () => {
  const names = logFileNames('/l/a.log')
  const present = [
    'a-1800000000003.log',
    'a-1800000000001.log',
    'a-1800000000002.log',
    'a-0000000000001.txt',
    'a-x.log',
    'ab-1800000000000.log',
    'a.log',
  ]
  const old = (keep: number): readonly string[] =>
    oldLogFiles(names, present, 'a-1800000000003.log', keep)
  assert.deepEqual(old(0), [])
  assert.deepEqual(old(1), ['a-1800000000001.log'])
  assert.deepEqual(old(2), [])
  assert.deepEqual(old(-1), ['a-1800000000001.log', 'a-1800000000002.log'])
})
