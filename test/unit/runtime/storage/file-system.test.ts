/**
 * File systems that keep a log, and the names of those that may not.
 */

import assert from 'node:assert/strict'
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

test('a directory is judged by what it lies on', async () => {
  assert.equal(await doubtfulFileSystemOf('/no/such/directory'), null)
  // PROC_SUPER_MAGIC: the one file system of known kind that every Linux has, also in a container.
  const expected = process.platform === 'linux' ? '0x9fa0' : null
  assert.equal(await doubtfulFileSystemOf('/proc/self'), expected)
})
