/**
 * What a traced process did to the files of one directory, out of the lines of strace, in the order of the kernel.
 *
 * A write counts from its entry, since it may reach the disk from then on; a sync, and whatever changes names, from
 * its return. Knows the calls that Node and LevelDB make for files; one that it does not know, and that touches the
 * directory, is an error, so that nothing is overlooked. Failed calls change nothing. Written maps (mmap) are not
 * seen; the store makes none.
 */

import { Buffer } from 'node:buffer'

export type DiskCall =
  | { readonly kind: 'create' | 'make-directory' | 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'truncate'; readonly file: number; readonly size: number }
  | {
      readonly kind: 'write'
      readonly file: number
      readonly at: number
      readonly bytes: Buffer
    }
  /** `file` names the file or directory as it was opened last by that number. */
  | { readonly kind: 'sync'; readonly file: number; readonly thread: number }
  | { readonly kind: 'open'; readonly path: string; readonly file: number }
  /** The process said so on its output. */
  | { readonly kind: 'said'; readonly text: string }

export interface Trace {
  readonly calls: readonly DiskCall[]
  readonly mainThread: number
}

const TRACED = [
  ...[
    'openat',
    'close',
    'write',
    'pwrite64',
    'writev',
    'pwritev',
    'fsync',
    'fdatasync',
    'ftruncate',
  ],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir', 'mkdir', 'mkdirat'],
  ...['fallocate', 'link', 'linkat', 'symlink', 'truncate', 'copy_file_range', 'sendfile', 'dup'],
]

export const STRACE_ARGUMENTS = [
  '-f',
  '-qq',
  '-xx',
  '-s',
  '10000000',
  '-e',
  `trace=${TRACED.join()}`,
]

const LINE = /^(\d+) +(\w+)\((.*)$/
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/
const RESULT = /\) += (-?\d+)/
const UNFINISHED = ' <unfinished ...>'
const STRING = /"((?:\\x[0-9a-f]{2})*)"/g

interface OpenFile {
  readonly file: number
  position: number
}

/** @param root of the directory; paths of calls are relative to it */
export function readTrace(text: string, root: string): Trace {
  const reader = new TraceReader(root)
  for (const line of text.split('\n')) reader.line(line)
  return { calls: reader.calls, mainThread: reader.mainThread }
}

class TraceReader {
  readonly calls: DiskCall[] = []
  mainThread = 0
  readonly #root: string
  readonly #begun = new Map<number, string>()
  readonly #open = new Map<number, OpenFile>()
  #opened = 0

  constructor(root: string) {
    this.#root = root
  }

  line(line: string): void {
    const resumed = RESUMED.exec(line)
    if (resumed !== null) {
      const [, thread, name, rest] = resumed
      const head = this.#begun.get(Number(thread)) ?? ''
      this.#begun.delete(Number(thread))
      this.#returned(Number(thread), String(name), head + String(rest))
      return
    }
    const entered = LINE.exec(line)
    if (entered === null) return // a signal, or an exit
    const [, thread, name, rest] = entered
    if (this.mainThread === 0) this.mainThread = Number(thread)
    const args = String(rest)
    const isUnfinished = args.endsWith(UNFINISHED)
    const whole = isUnfinished ? args.slice(0, -UNFINISHED.length) : args
    this.#entered(String(name), whole)
    if (isUnfinished) this.#begun.set(Number(thread), whole)
    else this.#returned(Number(thread), String(name), whole)
  }

  #entered(name: string, args: string): void {
    if (!name.includes('write')) return
    const descriptor = Number.parseInt(args, 10)
    const bytes = Buffer.concat(stringsIn(args))
    if (descriptor === 1) this.calls.push({ kind: 'said', text: bytes.toString() })
    const open = this.#open.get(descriptor)
    if (open === undefined) return
    const at = name.startsWith('p') ? Number(/", \d+, (\d+)/.exec(args)?.[1]) : open.position
    if (!Number.isInteger(at)) throw new Error(`a ${name} without a position`)
    if (!name.startsWith('p')) open.position += bytes.length
    this.calls.push({ kind: 'write', file: open.file, at, bytes })
  }

  #returned(thread: number, name: string, args: string): void {
    const result = Number(RESULT.exec(args)?.[1] ?? -1)
    if (result < 0) return
    const descriptor = Number.parseInt(args, 10)
    const [path, to] = stringsIn(args).map((bytes) => this.#inside(bytes.toString()))
    switch (name) {
      case 'openat':
        if (path !== undefined) this.#openedAs(path, result, args)
        return
      case 'close':
        this.#open.delete(descriptor)
        return
      case 'fsync':
      case 'fdatasync': {
        const file = this.#open.get(descriptor)?.file
        if (file !== undefined) this.calls.push({ kind: 'sync', file, thread })
        return
      }
      case 'mkdir':
        if (path !== undefined) this.calls.push({ kind: 'make-directory', path })
        return
      case 'unlink':
      case 'rmdir':
        if (path !== undefined) this.calls.push({ kind: 'remove', path })
        return
      case 'rename':
        if (path !== undefined && to !== undefined) this.calls.push({ kind: 'rename', path, to })
        return
      default:
        // Of writes the entry has told all.
        if (name.includes('write')) return
        if (path !== undefined || this.#open.has(descriptor)) {
          throw new Error(`the trace has a call that is not modelled: ${name}(${args.slice(0, 80)}`)
        }
    }
  }

  #openedAs(path: string, descriptor: number, args: string): void {
    const file = ++this.#opened
    this.#open.set(descriptor, { file, position: 0 })
    if (args.includes('O_CREAT')) this.calls.push({ kind: 'create', path })
    this.calls.push({ kind: 'open', path, file })
    if (args.includes('O_TRUNC')) this.calls.push({ kind: 'truncate', file, size: 0 })
  }

  /** @returns undefined for a path elsewhere */
  #inside(path: string): string | undefined {
    if (path === this.#root) return ''
    return path.startsWith(`${this.#root}/`) ? path.slice(this.#root.length + 1) : undefined
  }
}

function stringsIn(args: string): readonly Buffer[] {
  return [...args.matchAll(STRING)].map(([, hex]) =>
    Buffer.from(String(hex).replaceAll('\\x', ''), 'hex'),
  )
}
