/**
 * What clients saw: a history of events, and the operations it consists of (verification 15.1).
 *
 * A process has at most one open operation. `ok` took effect once inside its interval with this result;
 * `fail` certainly never took effect and is left out; `info` and operations without an end are of unknown
 * outcome: they may take effect once, at any time after their call, or never. A process that got `info` is
 * over; its name may not be used again. At equal times calls come before returns, so that no alarm is false.
 */

export type EventType = 'invoke' | 'ok' | 'fail' | 'info'

/** One line of a history. `value` is the argument of an invocation and the result of an end. */
export interface HistoryEvent {
  readonly process: string
  readonly type: EventType
  readonly f: string
  readonly key?: string
  readonly value?: unknown
  /** Of one monotonic clock; the order of lines when it is missing. */
  readonly time?: number
}

interface Common<I> {
  readonly process: string
  readonly input: I
  readonly call: number
}

export type Operation<I, O> =
  | (Common<I> & { readonly outcome: 'ok'; readonly output: O; readonly end: number })
  | (Common<I> & { readonly outcome: 'unknown' })

/** How one model reads the values of events. Throws a `HistoryError` for what it does not know. */
export interface EventCodec<I, O> {
  input(event: HistoryEvent): I
  output(input: I, event: HistoryEvent): O
}

/** The history itself is wrong: not what clients saw, but how it was written down. */
export class HistoryError extends Error {}

/** @throws HistoryError when a process has two open operations, or ends one that it never began */
export function operationsOf<I, O>(
  events: readonly HistoryEvent[],
  codec: EventCodec<I, O>,
): Operation<I, O>[] {
  const open = new Map<string, { readonly input: I; readonly call: number; readonly f: string }>()
  const over = new Set<string>()
  const operations: Operation<I, O>[] = []
  let latest = Number.NEGATIVE_INFINITY
  for (const [line, event] of events.entries()) {
    const { process, type } = event
    const time = event.time ?? line
    if (time < latest) throw new HistoryError(`event ${line + 1}: time goes backwards`)
    latest = time
    const begun = open.get(process)
    if (type === 'invoke') {
      if (begun !== undefined) {
        throw new HistoryError(`event ${line + 1}: process "${process}" has an open operation`)
      }
      if (over.has(process)) {
        throw new HistoryError(
          `event ${line + 1}: process "${process}" ended with info; go on under a new name`,
        )
      }
      open.set(process, { input: codec.input(event), call: time, f: event.f })
      continue
    }
    if (begun === undefined || begun.f !== event.f) {
      throw new HistoryError(`event ${line + 1}: process "${process}" has no open "${event.f}"`)
    }
    open.delete(process)
    const { input, call } = begun
    if (type === 'ok') {
      const output = codec.output(input, event)
      operations.push({ process, input, call, outcome: 'ok', output, end: time })
    } else if (type === 'info') {
      over.add(process)
      operations.push({ process, input, call, outcome: 'unknown' })
    }
  }
  for (const [process, { input, call }] of open) {
    operations.push({ process, input, call, outcome: 'unknown' })
  }
  return operations
}
