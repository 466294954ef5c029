/**
 * Processes of this host: parents, groups, control groups, and the sockets they hold (proc(5)).
 *
 * One reading of /proc, not atomic: a process that ends while it is read is left out. Sockets of processes of
 * other users can only be read with the right to (CAP_SYS_PTRACE); without it they hold none, as far as is
 * known here. Bounds: PARALLEL files open at once.
 */

import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** Start in clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: number
  /** Path in the unified hierarchy, or in the one systemd uses; '' when there is none. */
  readonly cgroup: string
}

const PARALLEL = 16

/** All processes, by pid. */
export async function readProcesses(procRoot: string): Promise<ReadonlyMap<number, ProcessEntry>> {
  const names = await readdir(procRoot).catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name))
  const found = new Map<number, ProcessEntry>()
  await inParallel(pids, async (pid) => {
    const entry = await readProcess(procRoot, Number(pid))
    if (entry !== undefined) found.set(entry.pid, entry)
  })
  return found
}

async function readProcess(procRoot: string, pid: number): Promise<ProcessEntry | undefined> {
  const folder = join(procRoot, String(pid))
  const [stat, cgroup] = await Promise.all([
    readFile(join(folder, 'stat'), 'latin1').catch(() => undefined),
    readFile(join(folder, 'cgroup'), 'latin1').catch(() => ''),
  ])
  if (stat === undefined) return undefined
  // The name may hold blanks and brackets: fields count from behind its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    startTicks: Number(fields[19]),
    cgroup: cgroupPath(cgroup),
  }
}

/** @returns which of the processes hold one of the sockets, by inode */
export async function holdersOf(
  procRoot: string,
  pids: Iterable<number>,
  inodes: ReadonlySet<number>,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const holders = new Map<number, number[]>()
  await inParallel([...pids], async (pid) => {
    for (const inode of await socketsOf(procRoot, pid)) {
      if (!inodes.has(inode)) continue
      const known = holders.get(inode)
      if (known === undefined) holders.set(inode, [pid])
      else if (!known.includes(pid)) known.push(pid)
    }
  })
  return holders
}

async function socketsOf(procRoot: string, pid: number): Promise<readonly number[]> {
  const folder = join(procRoot, String(pid), 'fd')
  const names = await readdir(folder).catch(() => [])
  const inodes: number[] = []
  await inParallel(names, async (name) => {
    const link = await readlink(join(folder, name)).catch(() => '')
    const match = /^socket:\[(\d+)\]$/.exec(link)
    if (match !== null) inodes.push(Number(match[1]))
  })
  return inodes
}

function cgroupPath(text: string): string {
  let path = ''
  for (const line of text.split('\n')) {
    const parts = line.split(':')
    const at = parts.slice(2).join(':')
    if (parts[0] === '0' && at !== '/') return at
    if (parts[1] === 'name=systemd' && at !== '/') path = at
  }
  return path
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as T)
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker))
}
