/**
 * A disk under a recorded run: what is certain to be on it, what may be, and the states that a power cut can leave.
 * Pure.
 *
 * Of each file: the content at its last finished sync is certain. Whatever was written after that may be on the disk
 * or not, each 512-byte sector for itself; where the file had grown, a sector that is not there reads as zeros.
 * Of names (creations, renames, removals) those up to the newest finished sync that covers them are certain. What
 * comes after is there as a beginning of all of them in order, as journals of ext4, XFS and Btrfs keep it; and a
 * sync of a file covers all up to its own creation or last growth. With `names: 'posix'` only the sync of a directory
 * covers its names, and each uncovered one may be missing for itself.
 */

import { Buffer } from 'node:buffer'
import type { Rng } from '../../../../core/rng.ts'
import type { DiskCall } from './syscall-trace.ts'

const SECTOR_BYTES = 512
const ROOT = 0

export interface DiskRules {
  readonly names: 'journal' | 'posix'
  /** Syncs that are taken for not done, to see that the check would notice. Default none. */
  readonly ignores?: 'all' | 'directories'
}

type NameChange =
  | {
      readonly kind: 'link'
      readonly directory: number
      readonly name: string
      readonly inode: number
    }
  | { readonly kind: 'unlink'; readonly directory: number; readonly name: string }
  | {
      readonly kind: 'rename'
      readonly directory: number
      readonly name: string
      readonly toDirectory: number
      readonly toName: string
    }

interface Change {
  readonly at: number
  /** Null: the file is cut to `at` bytes. */
  readonly bytes: Buffer | null
}

interface Inode {
  readonly isDirectory: boolean
  certain: Buffer
  pending: Change[]
  size: number
  /** Name changes that a sync of this covers. */
  covers: number
}

type Tree = Map<number, Map<string, number>>

/** Path and content of each file. */
export type DiskState = ReadonlyMap<string, Buffer>

/** How much of what is uncertain has come to be on the disk. */
export type Luck =
  | { readonly kind: 'none' | 'all' }
  /** All but this one of the pending writes, counted over all files. */
  | { readonly kind: 'without' | 'only'; readonly write: number }
  | { readonly kind: 'random'; readonly rng: Rng }

export class DiskModel {
  readonly #rules: DiskRules
  readonly #inodes: Inode[] = [newInode(true)]
  readonly #now: Tree = new Map([[ROOT, new Map()]])
  readonly #names: NameChange[] = []
  readonly #covered: boolean[] = []
  #certainNames = 0
  readonly #files = new Map<number, number>()

  constructor(rules: DiskRules) {
    this.#rules = rules
  }

  get pendingWrites(): number {
    return this.#inodes.reduce((sum, { pending }) => sum + pending.length, 0)
  }

  /** Name changes of which it is open whether they are on the disk. */
  get pendingNames(): number {
    return this.#names.length - this.#certainNames
  }

  apply(call: DiskCall): void {
    switch (call.kind) {
      case 'create':
        if (this.#find(call.path) === undefined) this.#link(call.path, newInode(false))
        return
      case 'make-directory':
        this.#link(call.path, newInode(true))
        return
      case 'remove': {
        const [directory, name] = this.#place(call.path)
        this.#change({ kind: 'unlink', directory, name })
        return
      }
      case 'rename': {
        const [directory, name] = this.#place(call.path)
        const [toDirectory, toName] = this.#place(call.to)
        this.#change({ kind: 'rename', directory, name, toDirectory, toName })
        return
      }
      case 'open': {
        const inode = this.#find(call.path)
        if (inode !== undefined) this.#files.set(call.file, inode)
        return
      }
      case 'write':
        this.#write(call.file, { at: call.at, bytes: call.bytes })
        return
      case 'truncate':
        this.#write(call.file, { at: call.size, bytes: null })
        return
      case 'sync':
        this.#sync(call.file)
        return
      case 'said':
        return
      default:
        call satisfies never
    }
  }

  /** @param names how many of the uncertain name changes are there, or which, by chance */
  state(luck: Luck, names: number): DiskState {
    const tree: Tree = new Map([[ROOT, new Map()]])
    const end = this.#certainNames + names
    for (const [i, change] of this.#names.entries()) {
      const isThere =
        this.#rules.names === 'journal' || luck.kind !== 'random'
          ? i < end || this.#covered[i] === true
          : this.#covered[i] === true || luck.rng.float() < 0.5
      if (isThere) applyName(tree, change)
    }
    const files = new Map<string, Buffer>()
    let passed = 0
    const contents = this.#inodes.map((inode) => {
      const content = contentOf(inode, luck, passed)
      passed += inode.pending.length
      return content
    })
    const walk = (directory: number, path: string): void => {
      for (const [name, inode] of tree.get(directory) ?? []) {
        const at = path === '' ? name : `${path}/${name}`
        if (this.#inodes[inode]?.isDirectory === true) walk(inode, at)
        else files.set(at, contents[inode] ?? Buffer.alloc(0))
      }
    }
    walk(ROOT, '')
    return files
  }

  #write(file: number, change: Change): void {
    const inode = this.#inodeOf(file)
    const end = change.at + (change.bytes?.length ?? 0)
    if (change.bytes === null && inode.size === end) return
    if (change.bytes === null || end > inode.size) {
      inode.size = end
      inode.covers = this.#names.length
    }
    inode.pending.push(change)
  }

  #sync(file: number): void {
    const inode = this.#inodeOf(file)
    const { ignores, names } = this.#rules
    if (ignores === 'all' || (ignores === 'directories' && inode.isDirectory)) return
    for (const change of inode.pending) inode.certain = changed(inode.certain, change)
    inode.pending = []
    if (names === 'journal') {
      this.#certainNames = Math.max(this.#certainNames, inode.covers)
      return
    }
    if (!inode.isDirectory) return
    const index = this.#inodes.indexOf(inode)
    for (const [i, change] of this.#names.entries()) {
      const directories =
        change.kind === 'rename' ? [change.directory, change.toDirectory] : [change.directory]
      if (directories.includes(index)) this.#covered[i] = true
    }
    while (this.#covered[this.#certainNames] === true) this.#certainNames++
  }

  #inodeOf(file: number): Inode {
    const inode = this.#inodes[this.#files.get(file) ?? -1]
    if (inode === undefined) throw new Error(`file ${file} was never opened`)
    return inode
  }

  #link(path: string, inode: Inode): void {
    const [directory, name] = this.#place(path)
    const index = this.#inodes.push(inode) - 1
    this.#change({ kind: 'link', directory, name, inode: index })
    inode.covers = this.#names.length
  }

  #change(change: NameChange): void {
    this.#names.push(change)
    applyName(this.#now, change)
    const directories =
      change.kind === 'rename' ? [change.directory, change.toDirectory] : [change.directory]
    for (const index of directories) {
      const directory = this.#inodes[index]
      if (directory !== undefined) directory.covers = this.#names.length
    }
  }

  #find(path: string): number | undefined {
    if (path === '') return ROOT
    let inode: number | undefined = ROOT
    for (const name of path.split('/')) inode = this.#now.get(inode ?? -1)?.get(name)
    return inode
  }

  #place(path: string): readonly [directory: number, name: string] {
    const cut = path.lastIndexOf('/')
    const directory = this.#find(path.slice(0, Math.max(0, cut)))
    if (directory === undefined) throw new Error(`"${path}" lies nowhere`)
    return [directory, path.slice(cut + 1)]
  }
}

function newInode(isDirectory: boolean): Inode {
  return { isDirectory, certain: Buffer.alloc(0), pending: [], size: 0, covers: 0 }
}

/** Without effect where what it changes is not there. */
function applyName(tree: Tree, change: NameChange): void {
  const entries = tree.get(change.directory)
  if (change.kind === 'link') {
    if (entries === undefined) tree.set(change.directory, new Map([[change.name, change.inode]]))
    else entries.set(change.name, change.inode)
    return
  }
  const inode = entries?.get(change.name)
  if (inode === undefined) return
  entries?.delete(change.name)
  if (change.kind === 'unlink') return
  const target = tree.get(change.toDirectory) ?? new Map<string, number>()
  target.set(change.toName, inode)
  tree.set(change.toDirectory, target)
}

function contentOf(inode: Inode, luck: Luck, passed: number): Buffer {
  let content = inode.certain
  for (const [i, change] of inode.pending.entries()) {
    const isNamed = 'write' in luck && luck.write === passed + i
    switch (luck.kind) {
      case 'none':
        return inode.certain
      case 'all':
        content = changed(content, change)
        break
      case 'without':
        content = isNamed ? grown(content, change) : changed(content, change)
        break
      case 'only':
        if (isNamed) content = changed(content, change)
        break
      case 'random':
        content = partly(content, change, luck.rng)
        break
      default:
        luck satisfies never
    }
  }
  return content
}

function changed(content: Buffer, { at, bytes }: Change): Buffer {
  if (bytes === null) return Buffer.concat([content, Buffer.alloc(at)]).subarray(0, at)
  const out = Buffer.alloc(Math.max(content.length, at + bytes.length))
  content.copy(out)
  bytes.copy(out, at)
  return out
}

/** The size has reached the disk, the data has not. */
function grown(content: Buffer, { at, bytes }: Change): Buffer {
  if (bytes === null || at + bytes.length <= content.length) return content
  return Buffer.concat([content, Buffer.alloc(at + bytes.length - content.length)])
}

/** Each sector for itself; the size may lag behind. */
function partly(content: Buffer, change: Change, rng: Rng): Buffer {
  const after = changed(content, change)
  if (change.bytes === null) return rng.float() < 0.5 ? after : content
  const out = Buffer.from(after)
  const first = Math.floor(change.at / SECTOR_BYTES) * SECTOR_BYTES
  for (let at = first; at < change.at + change.bytes.length; at += SECTOR_BYTES) {
    if (rng.float() < 0.5) continue
    const end = Math.min(at + SECTOR_BYTES, out.length)
    out.fill(0, at, end)
    if (at < content.length) content.copy(out, at, at, Math.min(end, content.length))
  }
  return rng.float() < 0.25 ? out.subarray(0, Math.max(content.length, first)) : out
}
