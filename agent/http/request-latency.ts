/**
 * How long requests take, by method and route (http-api.md 9.5). Requests that no route takes are not measured.
 *
 * Bounds: one series for each method of each route, whatever clients ask for. Cost of a request: two reads of
 * the clock and two look-ups.
 */

import { API_METRICS } from '../../core/metrics/catalogue/api.ts'
import type { Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Clock } from '../../core/time.ts'
import type { Route } from './route.ts'

export class RequestLatency {
  readonly #clock: Clock
  readonly #metrics: Metrics
  readonly #samples = new Map<Route, Map<string, Sample>>()

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = clock
    this.#metrics = metrics
  }

  /** @returns to be called when the answer has ended */
  begin(route: Route, method: string): () => void {
    const sample = this.#sampleOf(route, method)
    const began = this.#clock.now()
    return () => sample.record(this.#clock.now() - began)
  }

  #sampleOf(route: Route, method: string): Sample {
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
