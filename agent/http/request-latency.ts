/**
 * How long requests take, by method and route (http-api.md 9.5). Requests that no route takes are not measured.
 *
 * Bounds: one series for each method of each route, whatever clients ask for. Cost of a request: two look-ups.
 */

import { API_METRICS } from '../../core/metrics/catalogue/api.ts'
import type { Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Route } from './route.ts'

export class RequestLatency {
  readonly #metrics: Metrics
  readonly #samples = new Map<Route, Map<string, Sample>>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  /** @returns where to record the milliseconds that an answer took */
  sampleOf(route: Route, method: string): Sample {
    let byMethod = this.#samples.get(route)
    if (byMethod === undefined) {
      byMethod = new Map()
      this.#samples.set(route, byMethod)
    }
    let sample = byMethod.get(method)
    if (sample === undefined) {
      const path = route.path.slice(1).replaceAll('/', '_')
      sample = this.#metrics.sample(API_METRICS.http, { method, path })
      byMethod.set(method, sample)
    }
    return sample
  }
}
