/**
 * Who was in the pool, in a file, so that a restarted member finds it again (gossip.md 11.6).
 *
 * Lines are appended: `alive: <address> <name>`, `not-alive: <name>`, `clock: <n>`, `event-clock: <n>`,
 * `query-clock: <n>`, `incarnation: <n>`, `leave`; the last word counts. Guarantees: a torn or unknown line is passed over and the rest is read; a failed write is logged,
 * tried again later and never an error for gossip, which does without the file.
 * Bounds: a line waits at most FLUSH_MS; the file is rewritten when it is larger than COMPACT_SIZE_MIN and than twice
 * what its members need; one of more than FILE_SIZE_MAX bytes is not read.
 */

import { Buffer } from 'node:buffer'
import { open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ipFamily } from '../../core/config/ip-address.ts'
import { parseMemberAddress } from '../../core/config/member-address.ts'
import type { Logger } from '../../core/log.ts'
import type { NodeAddress } from '../../core/swim/types.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { ensurePrivateDirectory, PRIVATE_FILE_MODE, writeFileAtomic } from '../host/atomic-file.ts'
import { addressText } from './member-addresses.ts'

const FLUSH_MS = 500
const RETRY_MS = 30_000
const COMPACT_SIZE_MIN = 128 * 1024
const MEMBER_SIZE = 128
const FILE_SIZE_MAX = 64 * 1024 * 1024
/** Lines that wait while writing fails; beyond it the file is rewritten whole. */
const LINES_MAX = 4096

/** Lamport times: of what members intend, of user events, of queries. 0 where none was noted. */
export interface SnapshotClocks {
  readonly lamportTime: number
  readonly eventTime: number
  readonly queryTime: number
}

export interface SnapshotContent extends SnapshotClocks {
  readonly alive: ReadonlyMap<string, NodeAddress>
  /** The highest that was used; 0 when none was noted. */
  readonly incarnation: number
  /** The last run ended by leaving. */
  readonly hasLeft: boolean
}

const NOTHING: SnapshotContent = {
  alive: new Map(),
  lamportTime: 0,
  eventTime: 0,
  queryTime: 0,
  incarnation: 0,
  hasLeft: false,
}

/** Words of lines. */
const CLOCKS: ReadonlyMap<string, keyof SnapshotClocks> = new Map([
  ['clock', 'lamportTime'],
  ['event-clock', 'eventTime'],
  ['query-clock', 'queryTime'],
])

/** @returns nothing known for a file that is absent or cannot be read; why is logged */
export async function readMemberSnapshot(path: string, log: Logger): Promise<SnapshotContent> {
  try {
    const { size } = await stat(path)
    if (size > FILE_SIZE_MAX) {
      log.warn('snapshot of members is too large and not used', { path, size })
      return NOTHING
    }
    return parseMemberSnapshot(await readFile(path, 'utf8'))
  } catch (err) {
    const isAbsent = err instanceof Error && 'code' in err && err.code === 'ENOENT'
    if (!isAbsent) log.warn('snapshot of members cannot be read', { path, err })
    return NOTHING
  }
}

export function parseMemberSnapshot(text: string): SnapshotContent {
  const alive = new Map<string, NodeAddress>()
  const times = { lamportTime: 0, eventTime: 0, queryTime: 0 }
  let incarnation = 0
  let hasLeft = false
  // What follows the last line end was cut off while it was written.
  for (const line of text.split('\n').slice(0, -1)) {
    const [word, rest] = splitAt(line, ': ')
    if (word === 'alive') {
      const [address, name] = splitAt(rest, ' ')
      const parsed = parseAddress(address)
      if (parsed === null || name === '') continue
      alive.set(name, parsed)
      hasLeft = false
    } else if (word === 'not-alive') {
      alive.delete(rest)
    } else if (CLOCKS.has(word)) {
      const clock = CLOCKS.get(word) ?? 'lamportTime'
      times[clock] = Math.max(times[clock], parseNumber(rest))
    } else if (word === 'incarnation') {
      incarnation = Math.max(incarnation, parseNumber(rest))
      hasLeft = false
    } else if (line === 'leave') {
      hasLeft = true
    }
  }
  return { alive, ...times, incarnation, hasLeft }
}

export interface MemberSnapshotDeps {
  readonly clock: Clock
  readonly log: Logger
}

export class MemberSnapshot {
  readonly #path: string
  readonly #deps: MemberSnapshotDeps
  readonly #alive: Map<string, NodeAddress>
  readonly #times: { -readonly [K in keyof SnapshotClocks]: SnapshotClocks[K] }
  #incarnation: number
  #hasLeft = false
  #lines: string[] = []
  /** Of the file; null when it is unknown and must be rewritten. */
  #size: number | null = null
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(path: string, content: SnapshotContent, deps: MemberSnapshotDeps) {
    this.#path = path
    this.#deps = deps
    this.#alive = new Map(content.alive)
    const { lamportTime, eventTime, queryTime } = content
    this.#times = { lamportTime, eventTime, queryTime }
    this.#incarnation = content.incarnation
  }

  noteAlive(name: string, address: NodeAddress): void {
    const known = this.#alive.get(name)
    if (known?.address === address.address && known.port === address.port) return
    this.#alive.set(name, { address: address.address, port: address.port })
    this.#note(aliveLine(name, address))
  }

  noteGone(name: string): void {
    if (this.#alive.delete(name)) this.#note(`not-alive: ${name}\n`)
  }

  noteClocks(times: SnapshotClocks, incarnation: number): void {
    for (const [word, clock] of CLOCKS) {
      if (times[clock] <= this.#times[clock]) continue
      this.#times[clock] = times[clock]
      this.#note(`${word}: ${times[clock]}\n`)
    }
    if (incarnation > this.#incarnation) {
      this.#incarnation = incarnation
      this.#note(`incarnation: ${incarnation}\n`)
    }
  }

  noteLeave(): void {
    this.#hasLeft = true
    this.#note('leave\n')
  }

  /** Writes what waits. After it nothing is written any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = null
    await this.#write()
  }

  #note(line: string): void {
    if (this.#isClosed) return
    if (this.#lines.length < LINES_MAX) this.#lines.push(line)
    else this.#size = null
    this.#arm(FLUSH_MS)
  }

  #arm(ms: number): void {
    if (this.#timer !== null || this.#isClosed) return
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + ms), () => {
      this.#timer = null
      void this.#write()
    })
  }

  /** One after another; resolves when what was noted before is written or has failed. */
  async #write(): Promise<void> {
    const turn = this.#writing.then(() => this.#writeNow())
    this.#writing = turn
    await turn
  }

  async #writeNow(): Promise<void> {
    if (this.#lines.length === 0 && this.#size !== null) return
    try {
      const limit = Math.max(COMPACT_SIZE_MIN, 2 * MEMBER_SIZE * this.#alive.size)
      if (this.#size === null || this.#size > limit) await this.#rewrite()
      else await this.#append(this.#size)
    } catch (err) {
      this.#deps.log.warn('snapshot of members cannot be written', { path: this.#path, err })
      this.#size = null
      this.#arm(RETRY_MS)
    }
  }

  async #append(size: number): Promise<void> {
    const text = this.#lines.join('')
    this.#lines = []
    const handle = await open(this.#path, 'a', PRIVATE_FILE_MODE)
    try {
      await handle.appendFile(text)
    } finally {
      await handle.close()
    }
    this.#size = size + Buffer.byteLength(text)
  }

  async #rewrite(): Promise<void> {
    const lines = Array.from(this.#alive, ([name, address]) => aliveLine(name, address))
    for (const [word, clock] of CLOCKS) lines.push(`${word}: ${this.#times[clock]}\n`)
    lines.push(`incarnation: ${this.#incarnation}\n`)
    if (this.#hasLeft) lines.push('leave\n')
    const text = lines.join('')
    this.#lines = []
    await ensurePrivateDirectory(dirname(this.#path))
    await writeFileAtomic(this.#path, text, { durable: false })
    this.#size = Buffer.byteLength(text)
  }
}

function aliveLine(name: string, address: NodeAddress): string {
  return `alive: ${addressText(address)} ${name}\n`
}

function splitAt(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

/** @returns null for a line that is not ours */
function parseAddress(text: string): NodeAddress | null {
  const parsed = parseMemberAddress(text)
  if (parsed === null || ipFamily(parsed.host) === undefined) return null
  return { address: parsed.host, port: parsed.port }
}

function parseNumber(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0
  return Number.isSafeInteger(value) ? value : 0
}
