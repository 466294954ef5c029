/**
 * Sidecars of this host that another data plane than our own proxy serves (docs/decisions/0037).
 *
 * A sidecar is served elsewhere when its registration says so (`Proxy.Config.data_plane`), while a data plane that asks
 * for its configuration is connected, and for HOLD_MS after: an Envoy that reconnects, or is replaced, must find its
 * ports free. Several data planes may hold one sidecar at a time, as two Envoys do during a hot restart.
 * Bounds: CLAIMS_MAX at once.
 */

import type { ServiceDefinition } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { SidecarConfiguration } from '../../core/mesh/sidecar-configuration.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'

/** Longer than an Envoy waits at most before it connects again. */
const HOLD_MS = 60_000
const CLAIMS_MAX = 2048
/** Ours: what a registration says to have it nevertheless. */
export const OWN_DATA_PLANE = 'fairlead'

export interface ClaimOptions {
  readonly sidecarId: string
  /** `envoy`, `haproxy`, `nginx`. */
  readonly dataPlane: string
  /** Called with each new configuration, the first once our own proxy has let go of the sidecar's ports. */
  readonly onConfiguration: (configuration: SidecarConfiguration) => void
}

export interface SidecarClaim {
  release(): void
}

interface Held extends ClaimOptions {
  /** As last delivered, to tell whether there is anything new. */
  last: string
}

export class SidecarClaims {
  readonly #clock: Clock
  readonly #onChange: () => void
  readonly #held = new Set<Held>()
  /** By id of the sidecar, when our own proxy takes it back. */
  readonly #leaving = new Map<string, Instant>()
  #timer: Timer | undefined

  /** @param onChange called when other sidecars than before are served elsewhere, or a claim waits for its first configuration */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** @throws FairleadError RATE_LIMITED */
  claim(options: ClaimOptions): SidecarClaim {
    if (this.#held.size >= CLAIMS_MAX) {
      throw new FairleadError(
        'RATE_LIMITED',
        'this agent already serves as many data planes as it may',
      )
    }
    const held: Held = { ...options, last: '' }
    this.#held.add(held)
    this.#onChange()
    return { release: () => this.#release(held) }
  }

  get areAny(): boolean {
    return this.#held.size > 0
  }

  /** Ids of sidecars among `services` that our own proxy must not serve. */
  servedElsewhere(services: readonly ServiceDefinition[]): ReadonlySet<string> {
    const now = this.#clock.now()
    const ids = new Set<string>()
    for (const { sidecarId } of this.#held) ids.add(sidecarId)
    for (const [id, until] of this.#leaving) {
      if (until > now) ids.add(id)
      else this.#leaving.delete(id)
    }
    for (const service of services) {
      const named = configuredDataPlane(service)
      if (named === OWN_DATA_PLANE) ids.delete(service.id)
      else if (named !== '') ids.add(service.id)
    }
    return ids
  }

  /** Hands each claim its configuration if it is another than before. */
  deliver(configurationOf: (sidecarId: string) => SidecarConfiguration | undefined): void {
    const made = new Map<string, SidecarConfiguration | undefined>()
    for (const held of [...this.#held]) {
      const id = held.sidecarId
      if (!made.has(id)) made.set(id, configurationOf(id))
      const configuration = made.get(id)
      if (configuration === undefined) continue
      const encoded = JSON.stringify(configuration)
      if (encoded === held.last) continue
      held.last = encoded
      held.onConfiguration(configuration)
    }
  }

  stop(): void {
    this.#timer?.cancel()
    this.#held.clear()
    this.#leaving.clear()
  }

  #release(held: Held): void {
    if (!this.#held.delete(held)) return
    for (const other of this.#held) if (other.sidecarId === held.sidecarId) return
    const until = instant(this.#clock.now() + HOLD_MS)
    this.#leaving.set(held.sidecarId, until)
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(until, () => this.#onChange())
  }
}

/** What the registration of a sidecar says of who serves it; '' for nothing. */
export function configuredDataPlane(service: ServiceDefinition): string {
  const value = service.proxy?.config?.['data_plane']
  return typeof value === 'string' ? value : ''
}
