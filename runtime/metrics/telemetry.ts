/**
 * The telemetry of one process: what its parts count, and the forms in which others read it (http-api.md 9.5).
 *
 * Guarantees: what the filter holds back shows in no form; after `stop` no timer and no socket is left.
 */

import type { TelemetryConfig } from '../../core/config/model.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Interval, type IntervalJson, intervalJson } from '../../core/metrics/interval-json.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { MetricNaming } from '../../core/metrics/naming.ts'
import { prometheusText } from '../../core/metrics/prometheus-text.ts'
import { MetricRegistry } from '../../core/metrics/registry.ts'
import type { Clock } from '../../core/time.ts'
import { IntervalRecorder } from './interval-recorder.ts'
import { ProcessMetrics } from './process-metrics.ts'
import { StatsdSender } from './statsd-sender.ts'

export interface TelemetryDeps {
  readonly clock: Clock
  readonly log: Logger
}

export class Telemetry implements Service {
  readonly #config: TelemetryConfig
  readonly #clock: Clock
  readonly #log: Logger
  readonly #registry = new MetricRegistry()
  readonly #recorder: IntervalRecorder
  readonly #process: ProcessMetrics
  readonly #naming: MetricNaming
  /** For what knows the host from elsewhere. */
  readonly #plainNaming: MetricNaming
  readonly #hostname: string
  #senders: readonly StatsdSender[] = []

  constructor(
    options: { readonly config: TelemetryConfig; readonly hostname: string },
    { clock, log }: TelemetryDeps,
  ) {
    const { prefix, filter, disableHostname } = options.config
    this.#config = options.config
    this.#hostname = options.hostname
    this.#clock = clock
    this.#log = log
    this.#recorder = new IntervalRecorder({ clock, log, registry: this.#registry })
    this.#process = new ProcessMetrics(this.#registry)
    this.#naming = new MetricNaming({
      prefix,
      host: disableHostname ? '' : options.hostname,
      filter,
    })
    this.#plainNaming = new MetricNaming({ prefix, host: '', filter })
  }

  get metrics(): Metrics {
    return this.#registry
  }

  async start(): Promise<void> {
    this.#senders = this.#createSenders()
    for (const sender of this.#senders) this.#recorder.onInterval((it) => sender.send(it))
    this.#process.start()
    await this.#recorder.start()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#recorder.stop()
    this.#process.stop()
    for (const sender of this.#senders) sender.close()
    this.#senders = []
  }

  /** Takes over the filter; the rest needs a restart. */
  reload({ filter }: TelemetryConfig): void {
    this.#naming.filter = filter
    this.#plainNaming.filter = filter
  }

  /** The last whole interval. */
  lastInterval(): IntervalJson {
    return this.#jsonOf(this.#recorder.last())
  }

  /** @returns ends it */
  onInterval(listener: (interval: IntervalJson) => void): () => void {
    return this.#recorder.onInterval((interval) => listener(this.#jsonOf(interval)))
  }

  /** @returns undefined when the format is off */
  prometheus(): string | undefined {
    const { prometheusRetentionMs } = this.#config
    if (prometheusRetentionMs <= 0) return undefined
    return prometheusText(this.#registry.present(), {
      naming: this.#naming,
      now: this.#clock.now(),
      retentionMs: prometheusRetentionMs,
    })
  }

  #jsonOf(interval: Interval): IntervalJson {
    return intervalJson(interval, this.#naming)
  }

  #createSenders(): readonly StatsdSender[] {
    const { statsd, dogstatsd } = this.#config
    const deps = { log: this.#log, metrics: this.#registry }
    const senders: StatsdSender[] = []
    if (statsd !== undefined) {
      const form = { naming: this.#naming, tags: undefined }
      senders.push(new StatsdSender({ target: statsd, form }, deps))
    }
    if (dogstatsd !== undefined) {
      const tags = [...dogstatsd.tags, `host:${this.#hostname}`]
      const form = { naming: this.#plainNaming, tags }
      senders.push(new StatsdSender({ target: dogstatsd, form }, deps))
    }
    return senders
  }
}
