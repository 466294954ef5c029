/**
 * Tells that something under one of some files and folders changed (agent-config.md section 14).
 *
 * A file is watched by its folder, because editors and tools replace files instead of writing into them. Guarantees:
 * many changes in a row are told once, COALESCE_MS after the first; none is told after `dispose`. What cannot be
 * watched is told once and left out.
 */

import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type Clock, instant, type Timer } from '../../core/time.ts'

export interface PathWatchDeps {
  readonly clock: Clock
  readonly onChange: () => void
  readonly onFailure: (path: string, error: Error) => void
}

const COALESCE_MS = 1_000

export class PathWatch implements Disposable {
  readonly #deps: PathWatchDeps
  readonly #watchers: FSWatcher[] = []
  #timer: Timer | undefined
  #isDisposed = false

  constructor(deps: PathWatchDeps) {
    this.#deps = deps
  }

  /** Resolves when every path is watched that can be. */
  async start(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      try {
        await this.#watch(path)
      } catch (thrown) {
        this.#deps.onFailure(path, thrown as Error)
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#timer?.cancel()
    for (const watcher of this.#watchers.splice(0)) watcher.close()
  }

  async #watch(path: string): Promise<void> {
    const isFolder = (await stat(path)).isDirectory()
    if (this.#isDisposed) return
    const only = isFolder ? undefined : basename(path)
    const watcher = watch(isFolder ? path : dirname(path), (_, name) => {
      // Without a name anything may have changed.
      if (only === undefined || name === null || name === only) this.#changed()
    })
    watcher.on('error', (error) => this.#deps.onFailure(path, error))
    this.#watchers.push(watcher)
  }

  #changed(): void {
    if (this.#isDisposed || this.#timer !== undefined) return
    const { clock, onChange } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + COALESCE_MS), () => {
      this.#timer = undefined
      onChange()
    })
  }
}
