/**
 * Where a part gets its instruments from; given to it by its constructor.
 *
 * Implemented by MetricRegistry, and by `unrecordedMetrics` for tests and for parts that nobody looks at.
 */

import type { CounterDefinition, GaugeDefinition, SampleDefinition } from './definition.ts'
import { Counter, Gauge, Sample } from './instruments.ts'

/** Nothing for a metric without labels. */
export type LabelValues<L extends string> = [L] extends [never]
  ? readonly []
  : readonly [labels: Readonly<Record<L, string>>]

export interface Metrics {
  /** The same object for the same labels. Costs a look-up where there are labels: keep what is used often. */
  counter<L extends string = never>(
    definition: CounterDefinition<L>,
    ...labels: LabelValues<L>
  ): Counter
  gauge<L extends string = never>(definition: GaugeDefinition<L>, ...labels: LabelValues<L>): Gauge
  sample<L extends string = never>(
    definition: SampleDefinition<L>,
    ...labels: LabelValues<L>
  ): Sample
  /**
   * Calls `read` before figures are shown: the place to set gauges that are read and not told. It must be quick
   * and must not throw.
   *
   * @returns ends it
   */
  onRead(read: () => void): () => void
}

const noLonger = (): void => {}

/** Counts into the void. */
export const unrecordedMetrics: Metrics = {
  counter: () => new Counter(),
  gauge: () => new Gauge(),
  sample: () => new Sample(),
  onRead: () => noLonger,
}
