/**
 * The configurations of the log, from the last snapshot on; the top one is in force (specification 10.2).
 *
 * A configuration takes effect when its entry is appended, and stops when that entry is truncated; waiting
 * for commit or apply would be unsound. Bound: one element per config entry that was not yet compacted.
 */

import { assert } from '../assert.ts'
import { type Configuration, decodeConfiguration, EMPTY_CONFIGURATION } from './configuration.ts'
import { type Entry, type LogIndex, logIndex } from './types.ts'

export interface Level {
  readonly index: LogIndex
  readonly configuration: Configuration
}

export class ConfigStack {
  #levels: Level[]

  constructor(bottom?: { readonly index: LogIndex; readonly configuration: Configuration }) {
    this.#levels = [bottom ?? { index: logIndex(0), configuration: EMPTY_CONFIGURATION }]
  }

  get active(): Configuration {
    return this.#top.configuration
  }

  get activeIndex(): LogIndex {
    return this.#top.index
  }

  /** Takes the configurations out of appended entries. @returns whether the active one changed */
  append(entries: readonly Entry[]): boolean {
    let changed = false
    for (const entry of entries) {
      if (entry.type !== 'config') continue
      assert(entry.index > this.#top.index, 'config entries come in order')
      this.#levels.push({ index: entry.index, configuration: decodeConfiguration(entry.data) })
      changed = true
    }
    return changed
  }

  /** Takes a configuration that this server has just written into the log. */
  push(index: LogIndex, configuration: Configuration): void {
    assert(index > this.#top.index, 'config entries come in order')
    this.#levels.push({ index, configuration })
  }

  /** Forgets what came from entries at or above `index`. @returns whether the active one changed */
  truncateFrom(index: LogIndex): boolean {
    const kept = this.#levels.filter((level, i) => i === 0 || level.index < index)
    const changed = kept.length !== this.#levels.length
    this.#levels = kept
    return changed
  }

  /** Forgets all of it for the configuration of a snapshot. */
  replaceWith(bottom: Level): void {
    this.#levels = [bottom]
  }

  /** Collapses everything at or below `index` into the bottom. */
  compactTo(index: LogIndex): void {
    const above = this.#levels.filter((level) => level.index > index)
    this.#levels = [this.at(index), ...above]
  }

  /** The configuration in force at `index`, which must not lie below the bottom. */
  at(index: LogIndex): Level {
    const found = this.#levels.findLast((level) => level.index <= index)
    assert(found !== undefined, 'configuration asked for below the oldest known index')
    return found
  }

  get #top(): Level {
    return this.#levels[this.#levels.length - 1] as Level
  }
}
