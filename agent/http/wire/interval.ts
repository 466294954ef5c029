/**
 * One interval of metrics (http-api.md 9.5).
 */

import type { AggregateJson, GaugeJson, IntervalJson } from '../../../core/metrics/interval-json.ts'
import { list, text, textMap } from './json.ts'

export function intervalText(interval: IntervalJson): string {
  const { Timestamp, Gauges, Counters, Samples } = interval
  return (
    `{"Timestamp":${text(Timestamp)},"Gauges":${list(Gauges, gaugeText)},"Points":[],` +
    `"Counters":${list(Counters, aggregateText)},"Samples":${list(Samples, aggregateText)}}`
  )
}

function gaugeText({ Name, Value, Labels }: GaugeJson): string {
  return `{"Name":${text(Name)},"Value":${Value},"Labels":${textMap(Labels)}}`
}

function aggregateText(of: AggregateJson): string {
  return (
    `{"Name":${text(of.Name)},"Count":${of.Count},"Rate":${of.Rate},"Sum":${of.Sum},"Min":${of.Min},` +
    `"Max":${of.Max},"Mean":${of.Mean},"Stddev":${of.Stddev},"Labels":${textMap(of.Labels)}}`
  )
}
