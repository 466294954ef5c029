/**
 * Decides which requests make spans, hands the context on in their fields, and gives finished spans to an exporter.
 *
 * A caller's decision holds; where there is none, chance decides by the percentage, and the decision travels on.
 * A request that is not sampled keeps the fields it came with.
 */

import type { ExchangeRecord } from '../../core/exchange/record.ts'
import type { TracingSettings } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import {
  type Incoming,
  readTraceContext,
  TRACE_FIELDS,
  traceLines,
} from '../../core/tracing/context.ts'
import { type SpanIds, spanOf } from '../../core/tracing/span.ts'
import type { RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import { withoutFields } from '../routing/head-edits.ts'
import type { SpanExporter } from './span-exporter.ts'

const NONE: Incoming = { kind: 'none' }
const FIELDS: ReadonlySet<string> = new Set(TRACE_FIELDS)
/** Most heads have none: one look tells. */
const ANY_FIELD = /\r\n(?:trace(?:parent|state)|b3|x-b3-|uber-trace-id)/i

export class Tracer {
  settings: TracingSettings
  readonly #rng: Rng
  readonly #exporter: SpanExporter
  readonly #node: () => string

  constructor(settings: TracingSettings, exporter: SpanExporter, rng: Rng, node: () => string) {
    this.settings = settings
    this.#exporter = exporter
    this.#rng = rng
    this.#node = node
  }

  /** Changes the head for who receives it next. @returns ids of the span to make, undefined for none */
  begin(head: RequestHead): SpanIds | undefined {
    const hasFields = ANY_FIELD.test(head.text)
    const incoming = hasFields ? incomingOf(head) : NONE
    const known = incoming.kind === 'context' ? incoming.context : undefined
    let sampled = known?.sampled
    if (incoming.kind === 'decision') sampled = incoming.sampled
    sampled ??= this.#rng.float() * 100 < this.settings.percent
    if (known !== undefined && !sampled && known.sampled === false) return undefined
    const spanId = hex(this.#rng, 2)
    const context = {
      traceId: known?.traceId ?? hex(this.#rng, 4),
      spanId: sampled ? spanId : (known?.spanId ?? spanId),
      sampled,
      debug: known?.debug ?? false,
      traceState: known?.traceState ?? '',
    }
    const text = hasFields ? withoutFields(head.text, FIELDS) : head.text
    head.text = text + traceLines(context, this.settings.propagate)
    if (!sampled) return undefined
    const { traceId, debug, traceState } = context
    return { traceId, spanId, parentId: known?.spanId ?? '', traceState, debug }
  }

  ended(record: ExchangeRecord, ids: SpanIds): void {
    this.#exporter.add(spanOf(record, ids, this.#node()))
  }
}

function incomingOf(head: RequestHead): Incoming {
  const view = new RequestView(head.text)
  return readTraceContext((name) => view.header(name))
}

/** Random, not all zero. */
function hex(rng: Rng, words: number): string {
  let text = ''
  for (let i = 0; i < words; i++) text += rng.u32().toString(16).padStart(8, '0')
  return /^0+$/.test(text) ? hex(rng, words) : text
}
