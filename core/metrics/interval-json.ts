/**
 * One interval as `/v1/agent/metrics` shows it (http-api.md 9.5). Pure.
 *
 * Series are in the order of their names, then of their labels, so that two answers can be compared.
 */

import type { WallTime } from '../time.ts'
import { type Aggregate, mean, standardDeviation } from './aggregate.ts'
import type { MetricNaming } from './naming.ts'
import type { AggregateFigure, IntervalFigures, Labels, Series } from './registry.ts'

export interface Interval {
  readonly startedAt: WallTime
  readonly durationMs: number
  readonly figures: IntervalFigures
}

/** What JSON.stringify makes of this is the answer. */
export interface IntervalJson {
  readonly Timestamp: string
  readonly Gauges: readonly GaugeJson[]
  /** Always empty: nothing here is a series of points. */
  readonly Points: readonly never[]
  readonly Counters: readonly AggregateJson[]
  readonly Samples: readonly AggregateJson[]
}

export interface GaugeJson {
  readonly Name: string
  readonly Value: number
  readonly Labels: Readonly<Record<string, string>>
}

export interface AggregateJson {
  readonly Name: string
  readonly Count: number
  readonly Rate: number
  readonly Sum: number
  readonly Min: number
  readonly Max: number
  readonly Mean: number
  readonly Stddev: number
  readonly Labels: Readonly<Record<string, string>>
}

export function intervalJson(interval: Interval, naming: MetricNaming): IntervalJson {
  const { gauges, counters, samples } = interval.figures
  const seconds = interval.durationMs / 1_000
  const aggregates = (figures: readonly AggregateFigure<unknown>[]): AggregateJson[] =>
    named(figures, naming).map(({ name, figure }) => ({
      Name: name,
      ...aggregateJson(figure.aggregate, seconds),
      Labels: Object.fromEntries(figure.series.labels),
    }))
  return {
    Timestamp: timestamp(interval.startedAt),
    Gauges: named(gauges, naming).map(({ name, figure }) => ({
      Name: name,
      Value: figure.value,
      Labels: Object.fromEntries(figure.series.labels),
    })),
    Points: [],
    Counters: aggregates(counters),
    Samples: aggregates(samples),
  }
}

function aggregateJson(of: Aggregate, seconds: number): Omit<AggregateJson, 'Name' | 'Labels'> {
  return {
    Count: of.count,
    Rate: seconds > 0 ? of.sum / seconds : 0,
    Sum: of.sum,
    Min: of.min,
    Max: of.max,
    Mean: mean(of),
    Stddev: standardDeviation(of),
  }
}

interface Named<F> {
  readonly name: string
  readonly figure: F
}

function named<F extends { readonly series: Series<unknown> }>(
  figures: readonly F[],
  naming: MetricNaming,
): readonly Named<F>[] {
  const shown: { readonly name: string; readonly order: string; readonly figure: F }[] = []
  for (const figure of figures) {
    const name = naming.nameOf(figure.series.definition)
    if (name === undefined) continue
    shown.push({ name, order: `${name}\0${textOf(figure.series.labels)}`, figure })
  }
  return shown.sort((one, other) => (one.order < other.order ? -1 : 1))
}

function textOf(labels: Labels): string {
  return labels.map(([, value]) => value).join('\0')
}

/** `2026-01-10 12:00:10 +0000 UTC`, to the second. */
function timestamp(at: WallTime): string {
  const iso = new Date(at).toISOString()
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} +0000 UTC`
}
