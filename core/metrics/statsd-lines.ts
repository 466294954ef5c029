/**
 * One interval in the protocols of StatsD and DogStatsD. Pure.
 *
 * A sample is told as its buckets, each as one timing with a rate, so that the server's own quantiles come out
 * within the sketch's error, in space that does not grow with the traffic. StatsD has no labels: their values
 * become parts of the name. DogStatsD has tags, and the host is one of them instead of a part of the name.
 */

import type { Interval } from './interval-json.ts'
import type { MetricNaming } from './naming.ts'
import type { Labels, Series } from './registry.ts'
import type { Sketch } from './sketch.ts'

export interface StatsdForm {
  /** Names and filter; without a host for DogStatsD. */
  readonly naming: MetricNaming
  /** For every line; undefined for a server that knows no tags. */
  readonly tags: readonly string[] | undefined
}

/** Lines without their ends. */
export function* statsdLines({ figures }: Interval, form: StatsdForm): Generator<string> {
  for (const { series, value } of figures.gauges) {
    const target = targetOf(series, form)
    if (target === undefined) continue
    // A sign would make it a difference to the value before.
    if (value < 0 && form.tags === undefined) yield `${target.name}:0|g`
    yield `${target.name}:${value}|g${target.tags}`
  }
  for (const { series, aggregate } of figures.counters) {
    const target = targetOf(series, form)
    if (target !== undefined) yield `${target.name}:${aggregate.sum}|c${target.tags}`
  }
  for (const { series, sketch } of figures.samples) {
    const target = targetOf(series, form)
    if (target !== undefined) yield* timings(target, sketch)
  }
}

interface Target {
  readonly name: string
  /** With what comes before them. */
  readonly tags: string
}

function* timings(target: Target, sketch: Sketch): Generator<string> {
  for (const [value, count] of sketch.buckets()) {
    const rate = count === 1 ? '' : `|@${Number((1 / count).toPrecision(8))}`
    yield `${target.name}:${Number(value.toPrecision(6))}|ms${rate}${target.tags}`
  }
}

function targetOf(
  { definition, labels }: Series<unknown>,
  { naming, tags }: StatsdForm,
): Target | undefined {
  const name = naming.nameOf(definition)
  if (name === undefined) return undefined
  if (tags === undefined) return { name: plainName(name, labels), tags: '' }
  const all = [...tags, ...labels.map(([label, value]) => `${label}:${plainText(value)}`)]
  return { name: plainText(name), tags: all.length === 0 ? '' : `|#${all.join(',')}` }
}

function plainName(name: string, labels: Labels): string {
  return [name, ...labels.map(([, value]) => value)].map(plainText).join('.')
}

/** Without the signs of the protocol. */
function plainText(text: string): string {
  return text.replace(/[\s:|@#,]/g, '_')
}
