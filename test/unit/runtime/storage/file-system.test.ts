/**
 * File systems that keep a log, and the names of those that may not.
 */

import assert from 'node:assert/strict'
import { statfs } from 'node:fs/promises'
import { test } from 'node:test'
import {
  doubtfulFileSystem,
  doubtfulFileSystemOf,
} from '../../../../runtime/storage/file-system.ts'

test('ext4, XFS and Btrfs are beyond doubt, all others are named', () => {
  for (const type of [0xef53, 0x58465342, 0x9123683e, 0x9123683e | 0]) {
    assert.equal(doubtfulFileSystem(type), null)
  }
  assert.equal(doubtfulFileSystem(0x01021994), 'tmpfs')
  assert.equal(doubtfulFileSystem(0x6969), 'nfs')
  assert.equal(doubtfulFileSystem(0xff534d42 | 0), 'cifs')
  assert.equal(doubtfulFileSystem(0x12345), '0x12345')
})

test('a directory is judged by what it lies on', async (t) => {
  assert.equal(await doubtfulFileSystemOf('/no/such/directory'), null)
  const shared = await statfs('/dev/shm').catch(() => null)
  if (shared?.type !== 0x01021994) return t.skip('/dev/shm is no tmpfs here')
  assert.equal(await doubtfulFileSystemOf('/dev/shm'), 'tmpfs')
})
