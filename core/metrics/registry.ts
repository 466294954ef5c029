/**
 * All series of a process, and what they counted in each interval. Pure: the host tells it the time.
 *
 * Guarantees: a series is made once and never dropped, so that an instrument that a part keeps always counts;
 * `rotate` gives every number to exactly one interval. Bounds: SERIES_PER_METRIC_MAX sets of labels for one
 * metric; what comes beyond is counted together in the series whose labels all read `other`, and
 * `telemetry.series_folded` says how often. Label values are cut to LABEL_VALUE_MAX characters.
 */

import type { Instant } from '../time.ts'
import type { Aggregate } from './aggregate.ts'
import { TELEMETRY_METRICS } from './catalogue/telemetry.ts'
import type {
  CounterDefinition,
  GaugeDefinition,
  MetricDefinition,
  SampleDefinition,
} from './definition.ts'
import { Counter, Gauge, Sample } from './instruments.ts'
import type { LabelValues, Metrics } from './metrics.ts'
import type { Sketch } from './sketch.ts'

export const SERIES_PER_METRIC_MAX = 512
export const LABEL_VALUE_MAX = 128
const FOLDED = 'other'

export type Labels = readonly (readonly [name: string, value: string])[]

export interface Series<I> {
  readonly definition: MetricDefinition
  readonly labels: Labels
  readonly instrument: I
  /** When it last changed, at the time of a rotation. */
  changedAt: Instant | undefined
}

export interface GaugeFigure {
  readonly series: Series<Gauge>
  readonly value: number
}

export interface AggregateFigure<I> {
  readonly series: Series<I>
  readonly aggregate: Aggregate
}

/** What happened between two rotations. Series in which nothing happened are left out. */
export interface IntervalFigures {
  readonly gauges: readonly GaugeFigure[]
  readonly counters: readonly AggregateFigure<Counter>[]
  /** The distribution of each is valid until the next rotation. */
  readonly samples: readonly (AggregateFigure<Sample> & { readonly sketch: Sketch })[]
}

/** Everything as it stands. */
export interface PresentFigures {
  readonly gauges: Iterable<Series<Gauge>>
  readonly counters: Iterable<Series<Counter>>
  readonly samples: Iterable<Series<Sample>>
}

export class MetricRegistry implements Metrics {
  readonly #counters = new Family(() => new Counter())
  readonly #gauges = new Family(() => new Gauge())
  readonly #samples = new Family(() => new Sample())
  readonly #reads = new Set<() => void>()
  readonly #folded: Counter

  constructor() {
    this.#folded = this.counter(TELEMETRY_METRICS.seriesFolded)
  }

  counter<L extends string = never>(
    definition: CounterDefinition<L>,
    ...[labels]: LabelValues<L>
  ): Counter {
    return this.#counters.get(definition, labels, this.#folded)
  }

  gauge<L extends string = never>(
    definition: GaugeDefinition<L>,
    ...[labels]: LabelValues<L>
  ): Gauge {
    return this.#gauges.get(definition, labels, this.#folded)
  }

  sample<L extends string = never>(
    definition: SampleDefinition<L>,
    ...[labels]: LabelValues<L>
  ): Sample {
    return this.#samples.get(definition, labels, this.#folded)
  }

  onRead(read: () => void): () => void {
    this.#reads.add(read)
    return () => void this.#reads.delete(read)
  }

  /** Ends an interval. Gauges with labels are told only of the interval in which they were set. */
  rotate(now: Instant): IntervalFigures {
    this.#readAll()
    const gauges: GaugeFigure[] = []
    for (const series of this.#gauges.all) {
      const isFresh = series.instrument.takeFresh()
      if (isFresh) series.changedAt = now
      const { value } = series.instrument
      if (value !== undefined && (isFresh || series.labels.length === 0)) {
        gauges.push({ series, value })
      }
    }
    const counters: AggregateFigure<Counter>[] = []
    for (const series of this.#counters.all) {
      const aggregate = series.instrument.take()
      if (aggregate.count === 0) continue
      series.changedAt = now
      counters.push({ series, aggregate })
    }
    const samples: (AggregateFigure<Sample> & { readonly sketch: Sketch })[] = []
    for (const series of this.#samples.all) {
      const aggregate = series.instrument.take()
      if (aggregate.count === 0) continue
      series.changedAt = now
      samples.push({ series, aggregate, sketch: series.instrument.last })
    }
    return { gauges, counters, samples }
  }

  present(): PresentFigures {
    this.#readAll()
    return { gauges: this.#gauges.all, counters: this.#counters.all, samples: this.#samples.all }
  }

  #readAll(): void {
    for (const read of this.#reads) read()
  }
}

/** The series of one kind. */
class Family<I> {
  readonly all: Series<I>[] = []
  readonly #make: () => I
  readonly #metrics = new Map<string, Map<string, I>>()

  constructor(make: () => I) {
    this.#make = make
  }

  get<L extends string>(
    definition: MetricDefinition<MetricDefinition['kind'], L>,
    given: Readonly<Record<L, string>> | undefined,
    folded: Counter | undefined,
  ): I {
    let metric = this.#metrics.get(definition.name)
    if (metric === undefined) {
      metric = new Map()
      this.#metrics.set(definition.name, metric)
    }
    const values = definition.labels.map((name) => (given?.[name] ?? '').slice(0, LABEL_VALUE_MAX))
    const key = values.join('\0')
    const known = metric.get(key)
    if (known !== undefined) return known
    if (metric.size < SERIES_PER_METRIC_MAX) return this.#add(metric, definition, values)
    folded?.increment()
    const others = values.map(() => FOLDED)
    return metric.get(others.join('\0')) ?? this.#add(metric, definition, others)
  }

  #add(metric: Map<string, I>, definition: MetricDefinition, values: readonly string[]): I {
    const instrument = this.#make()
    const labels = definition.labels.map((name, at) => [name, values[at] ?? ''] as const)
    metric.set(values.join('\0'), instrument)
    this.all.push({ definition, labels, instrument, changedAt: undefined })
    return instrument
  }
}
