/**
 * What a server's log is, by the jobs that it handed to its disk: terms by index, and its configurations.
 */

import assert from 'node:assert/strict'
import type { Entry, SnapshotMeta } from '../../../core/raft/types.ts'
import type { ConfigurationRules, MemberSets } from './configuration-rules.ts'
import type { ModelDisk } from './model-disk.ts'

interface Level {
  readonly index: number
  readonly entry: Entry | null
  readonly sets: MemberSets
}

export class LogMirror {
  readonly #rules: ConfigurationRules
  #anchorIndex = 0
  #anchorTerm = 0
  #terms: number[] = []
  #levels: Level[] = []

  private constructor(rules: ConfigurationRules) {
    this.#rules = rules
  }

  static ofDisk(disk: ModelDisk, rules: ConfigurationRules): LogMirror {
    const mirror = new LogMirror(rules)
    if (disk.snapshot !== null) mirror.#setBase(disk.snapshot)
    mirror.#anchorIndex = disk.anchor.index
    mirror.#anchorTerm = disk.anchor.term
    for (const entry of disk.entries()) mirror.append(entry)
    return mirror
  }

  get anchorIndex(): number {
    return this.#anchorIndex
  }

  get lastIndex(): number {
    return this.#anchorIndex + this.#terms.length
  }

  get lastTerm(): number {
    return this.#terms.at(-1) ?? this.#anchorTerm
  }

  /** Null before the first configuration. */
  get configuration(): MemberSets | null {
    return this.#levels.at(-1)?.sets ?? null
  }

  get configurationIndex(): number {
    return this.#levels.at(-1)?.index ?? 0
  }

  /** Null when it came with an image, and before the first. */
  get configurationEntry(): Entry | null {
    return this.#levels.at(-1)?.entry ?? null
  }

  configurationsAbove(index: number): number {
    return this.#levels.filter((level) => level.index > index).length
  }

  termAt(index: number): number | undefined {
    if (index === this.#anchorIndex) return this.#anchorTerm
    return this.#terms[index - this.#anchorIndex - 1]
  }

  append(entry: Entry): void {
    this.#terms.push(entry.term)
    if (entry.type !== 'config' || entry.index <= this.configurationIndex) return
    this.#levels.push({ index: entry.index, entry, sets: this.#rules.of(entry) })
  }

  truncate(from: number): void {
    assert.ok(from > this.#anchorIndex, 'I21: a truncation stays above the image')
    this.#terms.length = from - 1 - this.#anchorIndex
    while ((this.#levels.at(-1)?.index ?? 0) >= from) this.#levels.pop()
  }

  replaceWith(snapshot: SnapshotMeta): void {
    this.#anchorIndex = snapshot.index
    this.#anchorTerm = snapshot.term
    this.#terms = []
    this.#setBase(snapshot)
  }

  #setBase(snapshot: SnapshotMeta): void {
    const sets = this.#rules.ofConfiguration(snapshot.configuration)
    this.#levels = [{ index: snapshot.configurationIndex, entry: null, sets }]
  }
}
