/**
 * A log sink that holds its lines back until told, so that the banner comes before the log.
 *
 * Bound: LINES_MAX held lines; the next one releases them all.
 */

import type { LogSink } from '../../runtime/log/pino-logger.ts'

const LINES_MAX = 1_000

export interface HeldSink extends LogSink {
  /** Writes what was held and holds nothing from then on. Idempotent. */
  release(): void
}

export function holdLines(target: LogSink): HeldSink {
  let held: string[] | undefined = []
  const release = (): void => {
    const lines = held ?? []
    held = undefined
    for (const line of lines) target.write(line)
  }
  return {
    write: (line) => {
      if (held === undefined) {
        target.write(line)
        return
      }
      held.push(line)
      if (held.length > LINES_MAX) release()
    },
    takeDropped: () => target.takeDropped(),
    flush: async (deadlineMs) => {
      release()
      await target.flush(deadlineMs)
    },
    release,
  }
}
