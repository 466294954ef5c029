/**
 * Real disks that misbehave: file systems in memory that are too small, ext4 in images behind loop devices.
 *
 * Needs root; `whyNoDisks` says what is missing. Everything mounted is unmounted by `dispose`, last first.
 */

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandEnvironment, has, sh } from '../harness/host-commands.ts'

export class Disks implements AsyncDisposable {
  readonly root: string
  readonly #mounted: string[] = []
  #counter = 0

  private constructor(root: string) {
    this.root = root
  }

  static async create(): Promise<Disks> {
    return new Disks(await mkdtemp(join(tmpdir(), 'fairlead-disks-')))
  }

  /** A file system in memory of a fixed size. */
  async tmpfs(size: string): Promise<string> {
    const at = await this.#mountPoint()
    await sh('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'none', at)
    this.#mounted.push(at)
    return at
  }

  /** Changes the size of such a file system. */
  async resize(at: string, size: string): Promise<void> {
    await sh('mount', '-o', `remount,size=${size}`, at)
  }

  /** An image file with an empty ext4; sparse. */
  async image(path: string, size: string): Promise<void> {
    await sh('truncate', '-s', size, path)
    await sh('mkfs.ext4', '-q', '-J', 'size=4', '-E', 'nodiscard,lazy_itable_init=1', path)
  }

  /** Mounts an image; its journal is replayed. */
  async mount(image: string): Promise<string> {
    const at = await this.#mountPoint()
    await sh('mount', '-o', 'loop', image, at)
    this.#mounted.push(at)
    return at
  }

  /** What an operator does with a file system that has seen errors: it is mounted read-only until then. */
  async check(image: string): Promise<void> {
    // 1: errors were corrected.
    await sh('sh', '-c', 'e2fsck -fy "$1" || [ $? -eq 1 ]', 'sh', image)
  }

  async unmount(at: string): Promise<void> {
    const index = this.#mounted.indexOf(at)
    if (index >= 0) this.#mounted.splice(index, 1)
    await sh('umount', at)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#mounted.length > 0) await this.unmount(this.#mounted.at(-1) as string)
    await rm(this.root, { recursive: true, force: true })
  }

  async #mountPoint(): Promise<string> {
    const at = join(this.root, `mount-${++this.#counter}`)
    await mkdir(at)
    return at
  }
}

/** Fills what is free on a file system but for `leaveBytes`. @returns the ballast, to be removed */
export async function ballast(at: string, leaveBytes: number): Promise<string> {
  const free = Number((await sh('df', '--output=avail', '-B1', at)).split('\n')[1])
  const path = join(at, 'ballast')
  await writeFile(path, Buffer.alloc(Math.max(0, free - leaveBytes), 1))
  await stat(path)
  return path
}

/** Why this machine has no such disks; undefined when it has. */
export function whyNoDisks(): string | undefined {
  if (process.platform !== 'linux') return 'mounting needs Linux'
  if (process.getuid?.() !== 0) return 'mounting needs root'
  const missing = ['mount', 'umount', 'mkfs.ext4', 'truncate', 'df'].filter((name) => !has(name))
  if (missing.length > 0) return `not installed: ${missing.join(', ')} (Debian: mount, e2fsprogs)`
  const script = 'd=$(mktemp -d) && mount -t tmpfs none $d && umount $d && rmdir $d && losetup -f'
  try {
    execFileSync('sh', ['-c', script], { env: commandEnvironment(), stdio: 'pipe' })
    return undefined
  } catch (err) {
    return `no mounts or loop devices here: ${String((err as { stderr?: Buffer }).stderr ?? err).trim()}`
  }
}
