/**
 * One instance of a destination, with what was learned of it by calling it.
 */

import { PeakEwma } from '../../core/balance/peak-ewma.ts'
import type { Endpoint as EndpointSpec } from '../../core/mesh/proxy-snapshot.ts'
import { Avoidance } from '../../core/resilience/avoidance.ts'
import { Outlier } from '../../core/resilience/outlier.ts'
import type { Instant } from '../../core/time.ts'

export class Endpoint {
  spec: EndpointSpec
  readonly avoidance = new Avoidance()
  readonly outlier = new Outlier()
  readonly latency: PeakEwma
  /** When it was first seen healthy. */
  since: Instant
  /** Exchanges under way. */
  active = 0
  /** Learned from its first connection: whether it speaks our mux. */
  speaksMux: boolean | undefined = undefined
  /** Learned in the same way, where it does not: whether it speaks HTTP/2. */
  speaksHttp2 = false
  /** It broke off a handshake because none of the protocols we offered suited it. */
  refusesAlpn = false

  constructor(spec: EndpointSpec, now: Instant) {
    this.spec = spec
    this.since = now
    this.latency = new PeakEwma(now)
  }
}
