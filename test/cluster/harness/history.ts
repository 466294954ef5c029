/**
 * What clients asked and what they were told, in the form that the history checkers read
 * (verification 15.1, 19.3): one event a line, times of one monotonic clock.
 */

import { writeFile } from 'node:fs/promises'

export interface HistoryEvent {
  readonly process: number
  /** `fail`: certainly not executed; `info`: nobody knows, the process is retired. */
  readonly type: 'invoke' | 'ok' | 'fail' | 'info'
  readonly f: 'read' | 'write' | 'cas'
  readonly key: string
  /** read: what was read, null for nothing; write: what was written; cas: [expected, wanted]. */
  readonly value: unknown
  /** Microseconds. */
  readonly time: number
}

export class HistoryRecorder {
  readonly events: HistoryEvent[] = []
  readonly #begun = process.hrtime.bigint()
  #processes = 0

  newProcess(): number {
    return this.#processes++
  }

  add(event: Omit<HistoryEvent, 'time'>): void {
    const time = Number((process.hrtime.bigint() - this.#begun) / 1_000n)
    this.events.push({ ...event, time })
  }

  count(type: HistoryEvent['type']): number {
    return this.events.filter((event) => event.type === type).length
  }

  async save(path: string): Promise<void> {
    await writeFile(path, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }
}
