/**
 * Writes down what clients asked and what they were told, in the form that the checkers of test/history/ and
 * the history port read; times of one monotonic clock.
 */

import { writeFile } from 'node:fs/promises'
import type { EventType, HistoryEvent } from '../../history/operations.ts'

export class HistoryRecorder {
  readonly events: HistoryEvent[] = []
  readonly #begun = process.hrtime.bigint()
  #processes = 0
  readonly #counts: Record<EventType, number> = { invoke: 0, ok: 0, fail: 0, info: 0 }

  newProcess(): string {
    return `p${this.#processes++}`
  }

  add(event: HistoryEvent): void {
    const time = Number((process.hrtime.bigint() - this.#begun) / 1_000n)
    this.events.push({ ...event, time })
    this.#counts[event.type]++
  }

  count(type: EventType): number {
    return this.#counts[type]
  }

  async save(path: string): Promise<void> {
    await writeFile(path, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }
}
