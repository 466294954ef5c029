/**
 * Views kept in the data directory, so that an agent answers after a restart while no server can be reached.
 *
 * Guarantees: one file a view, whole or absent, mode 0600; what changed is on disk SAVE_DELAY_MS later, without
 * fsync: a power cut costs what came last, never the rest. A file that is damaged, too old or of another version is
 * removed and counts for nothing. Saved are items, position and when a server last confirmed them.
 * Format: a line `{version, sha256}`, then the view as core/catalog/json-codec.ts writes it.
 * Bounds: FILES_MAX files, FILE_BYTES_MAX each, AGE_MAX_MS old; one is written at a time.
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeedPosition, Topic, TopicKey, Topics } from '../../core/catalog/feed.ts'
import { decodeJsonText, encodeJsonText } from '../../core/catalog/json-codec.ts'
import { isPlainObject } from '../../core/decode/decoder.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer, type WallTime, wallTime } from '../../core/time.ts'
import {
  ensurePrivateDirectory,
  removeFile,
  TEMPORARY_SUFFIX,
  writeFileAtomic,
} from '../../runtime/host/atomic-file.ts'
import type { ViewImage } from './materialised.ts'

export const SAVE_DELAY_MS = 5_000
/** As long as an unused entry of the agent's cache lives (http-api.md 6). */
export const AGE_MAX_MS = 72 * 3600 * 1000
const FILES_MAX = 8192
const FILE_BYTES_MAX = 64 * 1024 * 1024
const VERSION = 1

export interface SavedView<T extends Topic = Topic> extends ViewImage<T> {
  readonly confirmedAt: WallTime
}

/** What a view has to say when its turn to be written comes; undefined for one that has nothing. */
export type ViewSource = () => SavedView | undefined

interface Pending {
  readonly topic: TopicKey
  /** Undefined: the file is to go. */
  readonly source: ViewSource | undefined
}

export interface ViewFilesDeps {
  readonly clock: Clock
  readonly log: Logger
}

export class ViewFiles {
  readonly #folder: string
  readonly #deps: ViewFilesDeps
  readonly #pending = new Map<string, Pending>()
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: { readonly dataDir: string }, deps: ViewFilesDeps) {
    this.#folder = join(options.dataDir, 'views')
    this.#deps = deps
  }

  /** Makes the directory and removes what is too old to be shown. @throws FairleadError STORAGE_FAILED */
  async open(): Promise<void> {
    await ensurePrivateDirectory(this.#folder)
    const names = (await readdir(this.#folder)).sort()
    for (const [i, name] of names.entries()) {
      const path = join(this.#folder, name)
      if (name.endsWith(TEMPORARY_SUFFIX) || i >= FILES_MAX || (await this.#isTooOld(path))) {
        await removeFile(path)
      }
    }
  }

  /** @returns undefined when there is none that may be shown */
  async load<T extends Topic>(topic: TopicKey<T>): Promise<SavedView<T> | undefined> {
    const path = this.#pathOf(topic)
    let text: string
    try {
      if ((await stat(path)).size > FILE_BYTES_MAX) return undefined
      text = await readFile(path, 'utf8')
    } catch {
      return undefined // absent, as most are; who asks gets it from a server
    }
    const saved = viewOf(text, topic)
    if (saved === undefined) {
      this.#deps.log.error('damaged view removed', { path })
      await removeFile(path)
      return undefined
    }
    if (this.#deps.clock.wall() - saved.confirmedAt > AGE_MAX_MS) return undefined
    return saved
  }

  /** Writes the view soon, as it is then. */
  save(topic: TopicKey, source: ViewSource): void {
    this.#queue({ topic, source })
  }

  remove(topic: TopicKey): void {
    this.#queue({ topic, source: undefined })
  }

  /** Resolves when all that waits is on disk, or was logged as not. */
  async flush(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#write()
  }

  #queue(pending: Pending): void {
    this.#pending.set(nameOf(pending.topic), pending)
    const { clock } = this.#deps
    this.#timer ??= clock.timer(instant(clock.now() + SAVE_DELAY_MS), () => {
      this.#timer = undefined
      void this.#write()
    })
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const pending = [...this.#pending.values()]
      this.#pending.clear()
      for (const one of pending) await this.#writeOne(one)
    })
    return this.#writing
  }

  async #writeOne({ topic, source }: Pending): Promise<void> {
    const path = this.#pathOf(topic)
    try {
      const view = source?.()
      // Nothing is as well known without a file, and names that somebody made up leave none.
      if (view === undefined || view.items.size === 0) await removeFile(path)
      else await writeFileAtomic(path, textOf(topic, view), { durable: false })
    } catch (err) {
      this.#deps.log.warn('view not saved', { topic: topic.topic, key: topic.key, err })
    }
  }

  async #isTooOld(path: string): Promise<boolean> {
    try {
      return this.#deps.clock.wall() - (await stat(path)).mtimeMs > AGE_MAX_MS
    } catch {
      return false // gone meanwhile
    }
  }

  #pathOf(topic: TopicKey): string {
    return join(this.#folder, nameOf(topic))
  }
}

function nameOf({ topic, key }: TopicKey): string {
  return digest(`${topic}:${key}`)
}

function textOf({ topic, key }: TopicKey, view: SavedView): string {
  const { position, index, confirmedAt, items } = view
  const body = encodeJsonText({ topic, key, position, index, confirmedAt, items: [...items] })
  return `${JSON.stringify({ version: VERSION, sha256: digest(body) })}\n${body}\n`
}

/** The checksum says that this program wrote it, so its shape is taken on trust. */
function viewOf<T extends Topic>(text: string, topic: TopicKey<T>): SavedView<T> | undefined {
  const [head = '', body = ''] = text.split('\n', 2)
  try {
    const facts: unknown = JSON.parse(head)
    if (!isPlainObject(facts) || facts['version'] !== VERSION) return undefined
    if (facts['sha256'] !== digest(body)) return undefined
    const saved = decodeJsonText(body) as {
      readonly topic: string
      readonly key: string
      readonly position: FeedPosition
      readonly index: number
      readonly confirmedAt: number
      readonly items: readonly (readonly [string, Topics[T]])[]
    }
    if (saved.topic !== topic.topic || saved.key !== topic.key) return undefined
    const { position, index, confirmedAt, items } = saved
    return { position, index, confirmedAt: wallTime(confirmedAt), items: new Map(items) }
  } catch {
    return undefined // no JSON: damaged, as the caller says
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
