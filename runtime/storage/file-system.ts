/**
 * Which file system a directory lies on, and whether a server's log is safe there (Raft specification 14.2, S7).
 *
 * What was synced must survive a power cut, and a new file's name must survive with the file's own sync: ext4
 * (which cannot be told from ext2 and ext3), XFS and Btrfs keep both. Others are not known to, some are known not
 * to: tmpfs is gone with the machine, NFS has caches of two machines, overlays hide what lies below. Only Linux
 * tells the kinds apart by these numbers; elsewhere nothing is said.
 */

import { statfs } from 'node:fs/promises'

/** `f_type` of statfs(2). */
const SUPPORTED: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e])

const OTHER_NAMES: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlay'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x517b, 'smb'],
  [0x65735546, 'fuse'],
  [0x00c36400, 'ceph'],
  [0x01021997, '9p'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x7366746e, 'ntfs3'],
])

/** @returns the name of a file system that is not known to keep what a server promises; null when it does */
export function doubtfulFileSystem(type: number): string | null {
  // Some of the numbers have the highest bit set, which is a sign to those who call the type signed.
  const kind = type >>> 0
  if (SUPPORTED.has(kind)) return null
  return OTHER_NAMES.get(kind) ?? `0x${kind.toString(16)}`
}

/** The same of the one under `directory`; null also where it cannot be told. */
export async function doubtfulFileSystemOf(directory: string): Promise<string | null> {
  if (process.platform !== 'linux') return null
  try {
    return doubtfulFileSystem((await statfs(directory)).type)
  } catch {
    return null // whoever uses the directory next says what is wrong with it
  }
}
