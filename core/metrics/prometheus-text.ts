/**
 * All figures in the text format of Prometheus, version 0.0.4. Pure.
 *
 * Counters and gauges are themselves; samples are summaries, whose quantiles are those of the last interval
 * and whose sum and count are those of the process. A series with labels that did not change for `retentionMs`
 * is left out; one without labels is always there, so that a rate never lacks its beginning. Names: what the
 * format does not allow becomes `_`.
 */

import type { Instant } from '../time.ts'
import { headLines, labelText, numberText } from './exposition.ts'
import type { Counter, Gauge, Sample } from './instruments.ts'
import type { MetricNaming } from './naming.ts'
import type { PresentFigures, Series } from './registry.ts'

const QUANTILES = [0.5, 0.9, 0.99] as const
const TYPES = { counter: 'counter', gauge: 'gauge', sample: 'summary' } as const

export interface PrometheusOptions {
  readonly naming: MetricNaming
  readonly now: Instant
  readonly retentionMs: number
}

export function prometheusText(figures: PresentFigures, options: PrometheusOptions): string {
  const metrics = new MetricLines(options)
  for (const series of figures.gauges) metrics.gauge(series)
  for (const series of figures.counters) metrics.counter(series)
  for (const series of figures.samples) metrics.sample(series)
  return metrics.text()
}

class MetricLines {
  readonly #options: PrometheusOptions
  readonly #byName = new Map<string, string[]>()

  constructor(options: PrometheusOptions) {
    this.#options = options
  }

  gauge(series: Series<Gauge>): void {
    const { value } = series.instrument
    if (value === undefined) return
    const metric = this.#open(series)
    metric?.lines.push(`${metric.name}${labelText(series.labels)} ${numberText(value)}`)
  }

  counter(series: Series<Counter>): void {
    const metric = this.#open(series)
    const { total } = series.instrument
    metric?.lines.push(`${metric.name}${labelText(series.labels)} ${numberText(total)}`)
  }

  sample({ definition, labels, instrument, changedAt }: Series<Sample>): void {
    const metric = this.#open({ definition, labels, changedAt })
    if (metric === undefined) return
    const { name, lines } = metric
    for (const rank of QUANTILES) {
      const text = labelText([...labels, ['quantile', String(rank)]])
      lines.push(`${name}${text} ${numberText(instrument.last.quantile(rank))}`)
    }
    lines.push(`${name}_sum${labelText(labels)} ${numberText(instrument.totalSum)}`)
    lines.push(`${name}_count${labelText(labels)} ${numberText(instrument.totalCount)}`)
  }

  /** Metrics by name; the series of each as they came. */
  text(): string {
    const names = [...this.#byName.keys()].sort()
    return names.map((name) => `${this.#byName.get(name)?.join('\n')}\n`).join('')
  }

  #open({
    definition,
    labels,
    changedAt,
  }: Pick<Series<unknown>, 'definition' | 'labels' | 'changedAt'>):
    | { readonly name: string; readonly lines: string[] }
    | undefined {
    const { now, retentionMs, naming } = this.#options
    const isIdle = changedAt !== undefined && now - changedAt > retentionMs
    if (isIdle && labels.length > 0) return undefined
    const shown = naming.nameOf(definition)
    if (shown === undefined) return undefined
    const name = shown.replace(/[^a-zA-Z0-9_:]/g, '_').replace(/^(?=\d)/, '_')
    let lines = this.#byName.get(name)
    if (lines === undefined) {
      lines = headLines(name, TYPES[definition.kind], definition.help)
      this.#byName.set(name, lines)
    }
    return { name, lines }
  }
}
