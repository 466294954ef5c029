/**
 * What a metric is: its kind, name, unit, labels and what it tells. Pure data.
 *
 * Each metric is defined once, in core/metrics/catalogue/; docs/reference/metrics.md is generated from there.
 * Names are Consul's where it has the metric (without the prefix, parts joined by dots), because dashboards
 * read them.
 */

/** A counter only grows; a gauge is the present value; a sample is a distribution of single measurements. */
export type MetricKind = 'counter' | 'gauge' | 'sample'

export interface MetricDefinition<K extends MetricKind = MetricKind, L extends string = string> {
  readonly kind: K
  readonly name: string
  /** One sentence without a full stop; the help text of Prometheus and the reference. */
  readonly help: string
  /** Names of its labels, in the order in which they are shown. */
  readonly labels: readonly L[]
}

export type CounterDefinition<L extends string = never> = MetricDefinition<'counter', L>
export type GaugeDefinition<L extends string = never> = MetricDefinition<'gauge', L>
export type SampleDefinition<L extends string = never> = MetricDefinition<'sample', L>

/** @param name without the prefix, for instance `raft.apply` */
export function counter<const L extends string = never>(
  name: string,
  help: string,
  labels: readonly L[] = [],
): CounterDefinition<L> {
  return { kind: 'counter', name, help, labels }
}

export function gauge<const L extends string = never>(
  name: string,
  help: string,
  labels: readonly L[] = [],
): GaugeDefinition<L> {
  return { kind: 'gauge', name, help, labels }
}

/** Samples are of milliseconds unless the help says otherwise. */
export function sample<const L extends string = never>(
  name: string,
  help: string,
  labels: readonly L[] = [],
): SampleDefinition<L> {
  return { kind: 'sample', name, help, labels }
}
