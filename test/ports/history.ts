/**
 * The history port: checks histories that anybody recorded, of any system (verification 19.3).
 *
 *   npm run --silent port:history -- --model register < history.ndjson
 *   → {"verdict":"ok","operations":12,"partitions":2,"steps":40,"millis":3}
 *
 * One event a line: {"process", "type": "invoke"|"ok"|"fail"|"info", "f", "key"?, "value"?, "time"?}; without
 * `time` the order of lines counts. `--steps n` and `--megabytes n` set the limits of the search. Exit 0 for
 * ok, 1 for violation and unknown, 2 for a wrong call or a history that is none. Bound: 1,000,000 events.
 */

import { text as readAll } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { appendCodec, appendModel } from '../history/append-model.ts'
import { checkCycles } from '../history/dependency-cycles.ts'
import { kvCodec } from '../history/kv-codec.ts'
import { kvModel } from '../history/kv-model.ts'
import { checkLinearizability, type SearchLimits } from '../history/linearizability.ts'
import { listCodec, listModel } from '../history/list-model.ts'
import { lockCodec, lockModel } from '../history/lock-model.ts'
import {
  type EventCodec,
  HistoryError,
  type HistoryEvent,
  operationsOf,
} from '../history/operations.ts'
import { registerCodec, registerModel } from '../history/register-model.ts'
import type { SequentialModel } from '../history/sequential-model.ts'
import { isRecord } from '../history/values.ts'

const EVENTS_MAX = 1_000_000

type Verdict = Readonly<Record<string, unknown>> & { readonly verdict: string }
type Check = (events: readonly HistoryEvent[], limits: SearchLimits) => Verdict

const MODELS: Readonly<Record<string, Check>> = {
  register: searching(registerModel, () => registerCodec),
  kv: searching(kvModel, kvCodec),
  kvappend: searching(appendModel, () => appendCodec),
  lock: searching(lockModel, () => lockCodec),
  list: (events, limits) => {
    const cycles = checkCycles(operationsOf(events, listCodec))
    if (cycles.verdict === 'violation') {
      return { verdict: 'violation', operations: events.length, counterexample: cycles.reason }
    }
    return searching(listModel, () => listCodec)(events, limits)
  },
}

function searching<S, I, O>(model: SequentialModel<S, I, O>, codec: () => EventCodec<I, O>): Check {
  return (events, limits) => {
    return { ...checkLinearizability(operationsOf(events, codec()), model, limits) }
  }
}

function eventsOf(text: string): HistoryEvent[] {
  const lines = text.split('\n')
  const events: HistoryEvent[] = []
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    if (events.length === EVENTS_MAX) throw new HistoryError(`more than ${EVENTS_MAX} events`)
    events.push(eventOf(parsed(line, i + 1), i + 1))
  }
  return events
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new HistoryError(`line ${number} is no JSON`, { cause })
  }
}

function eventOf(value: unknown, line: number): HistoryEvent {
  if (!isRecord(value)) throw new HistoryError(`line ${line} is no object`)
  const { process, type, f, key, time } = value
  const name = (given: unknown): given is string | number => {
    return typeof given === 'string' || typeof given === 'number'
  }
  if (!name(process)) throw new HistoryError(`line ${line}: "process" is a text or a number`)
  if (type !== 'invoke' && type !== 'ok' && type !== 'fail' && type !== 'info') {
    throw new HistoryError(`line ${line}: "type" is invoke, ok, fail or info`)
  }
  if (typeof f !== 'string') throw new HistoryError(`line ${line}: "f" names the operation`)
  if (key !== undefined && key !== null && !name(key)) {
    throw new HistoryError(`line ${line}: "key" is a text or a number`)
  }
  if (time !== undefined && (typeof time !== 'number' || !Number.isFinite(time))) {
    throw new HistoryError(`line ${line}: "time" is a number`)
  }
  return {
    process: String(process),
    type,
    f,
    value: value['value'],
    ...(name(key) ? { key: String(key) } : {}),
    ...(typeof time === 'number' ? { time } : {}),
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      steps: { type: 'string', default: '50000000' },
      megabytes: { type: 'string', default: '256' },
    },
  })
  const check = MODELS[values.model ?? '']
  if (check === undefined) {
    throw new HistoryError(`--model is one of ${Object.keys(MODELS).join(', ')}`)
  }
  const events = eventsOf(await readAll(process.stdin))
  const started = process.hrtime.bigint()
  const limits = {
    stepsMax: Number(values.steps),
    bytesMax: Number(values.megabytes) * 1_048_576,
  }
  const verdict = check(events, limits)
  const millis = Number((process.hrtime.bigint() - started) / 1_000_000n)
  console.log(JSON.stringify({ ...verdict, millis }))
  return verdict.verdict === 'ok' ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (err) {
  const isMisuse =
    err instanceof HistoryError ||
    (err instanceof TypeError && 'code' in err && String(err.code).startsWith('ERR_PARSE_ARGS'))
  if (!isMisuse) throw err
  console.error(err.message)
  process.exitCode = 2
}
