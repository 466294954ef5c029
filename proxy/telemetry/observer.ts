/**
 * Access logs, spans and taps of this proxy: looks at the requests that one of them wants.
 *
 * While none is wanted `isActive` is false, and a request costs the one look at it. Guarantees: a change of settings
 * holds for the requests that begin after it; what is equal in two snapshots is kept, with its file and its queue.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { ExchangeRecord } from '../../core/exchange/record.ts'
import type { TapFilter } from '../../core/exchange/tap.ts'
import type { Logger } from '../../core/log.ts'
import type { ProxyTelemetry, TracingSettings } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { Failure } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import { AccessLog, type Output } from './access-log.ts'
import {
  type ExchangeAim,
  type ExchangeScene,
  ExchangeWatch,
  statusOf,
  type WatchOwner,
} from './exchange-watch.ts'
import { SpanExporter } from './span-exporter.ts'
import { type TapSink, Taps } from './taps.ts'
import { Tracer } from './tracer.ts'

export interface ObserverDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly rng: Rng
  readonly output: Output
  readonly version: string
  readonly nodeName: () => string
}

export class Observer implements WatchOwner {
  isActive = false
  readonly #deps: ObserverDeps
  readonly #taps = new Taps()
  #accessLog: AccessLog | undefined
  #tracer: Tracer | undefined
  #exporter: SpanExporter | undefined
  #connections = 0
  /** Of sinks that are closed. */
  #droppedLines = 0
  #droppedSpans = 0

  constructor(deps: ObserverDeps) {
    this.#deps = deps
  }

  configure(telemetry: ProxyTelemetry | undefined): void {
    this.#setAccessLog(telemetry)
    this.#setTracing(telemetry?.tracing)
    this.#update()
  }

  /** @returns false when there are too many taps */
  tap(id: number, filter: TapFilter, sink: TapSink): boolean {
    const isOpen = this.#taps.add(id, filter, sink)
    this.#update()
    return isOpen
  }

  untap(id: number): void {
    this.#taps.remove(id)
    this.#update()
  }

  /** Nobody is there to listen any more. */
  untapAll(): void {
    this.#taps.clear()
    this.#update()
  }

  get dropped(): Readonly<Record<string, number>> {
    return {
      access_log: this.#droppedLines + (this.#accessLog?.dropped ?? 0),
      span: this.#droppedSpans + (this.#exporter?.dropped ?? 0),
      tap: this.#taps.dropped,
    }
  }

  nextConnectionId(): number {
    return ++this.#connections
  }

  /** A request begins; its head may be changed. Only while `isActive`. @returns undefined when nobody wants it */
  begin(scene: ExchangeScene, aim: ExchangeAim, head: RequestHead): ExchangeWatch | undefined {
    const spanIds = this.#tracer?.begin(head)
    const service = scene.direction === 'outbound' ? scene.source : aim.destination
    const isLogged = this.#accessLog?.wants(service) ?? false
    if (spanIds === undefined && !isLogged && this.#taps.isEmpty) return undefined
    const wall = this.#deps.clock.wall()
    const watch = new ExchangeWatch(this, scene, { aim, head, wall, spanIds, isLogged })
    head.watch = watch
    return watch
  }

  /** A request that goes nowhere. */
  refused(scene: ExchangeScene, aim: ExchangeAim, head: RequestHead, failure: Failure): void {
    this.begin(scene, aim, head)?.ended(statusOf(failure), failure, undefined)
  }

  now(): number {
    return this.#deps.clock.now()
  }

  ended(watch: ExchangeWatch, record: ExchangeRecord): void {
    if (watch.isLogged) this.#accessLog?.write(record)
    if (watch.spanIds !== undefined) this.#tracer?.ended(record, watch.spanIds)
    if (!this.#taps.isEmpty) this.#taps.tell(record, watch, this.#deps.clock.now())
  }

  async close(): Promise<void> {
    this.#taps.clear()
    this.#exporter?.close()
    await this.#accessLog?.close()
  }

  #update(): void {
    this.isActive =
      this.#accessLog !== undefined || this.#tracer !== undefined || !this.#taps.isEmpty
  }

  #setAccessLog(telemetry: ProxyTelemetry | undefined): void {
    const wanted = telemetry?.accessLogs
    const present = this.#accessLog
    if (sameData(present?.settings, wanted)) return
    this.#accessLog = undefined
    if (present !== undefined) {
      void present.close().then(() => {
        this.#droppedLines += present.dropped
      })
    }
    if (wanted === undefined) return
    this.#accessLog = new AccessLog(wanted, {
      ...this.#deps,
      rng: this.#deps.rng.fork('access-log'),
      hostname: this.#deps.nodeName(),
    })
  }

  #setTracing(wanted: TracingSettings | undefined): void {
    if (sameData(this.#tracer?.settings, wanted)) return
    this.#tracer = undefined
    if (!sameData(this.#exporter?.destination, wanted?.to)) {
      this.#droppedSpans += this.#exporter?.dropped ?? 0
      this.#exporter?.close()
      this.#exporter = undefined
    }
    if (wanted === undefined) return
    this.#exporter ??= new SpanExporter(wanted.to, this.#deps)
    const { rng, nodeName } = this.#deps
    this.#tracer = new Tracer(wanted, this.#exporter, rng.fork('traces'), nodeName)
  }
}
