/**
 * What the mesh part of the agent offers to its HTTP API.
 *
 * Keys are generated on this host and never leave it; a leaf is renewed before it ends and when the
 * active root changes (mesh.md 4.8).
 */

import type { TapEvent, TapFilter } from '../../core/exchange/tap.ts'

export interface LeafCertificate {
  /** Leaf, then intermediates, PEM. */
  readonly certPem: string
  /** `EC PRIVATE KEY` PEM, P-256. */
  readonly privateKeyPem: string
  readonly serialNumber: string
  readonly uri: string
  /** Epoch ms. */
  readonly validAfter: number
  readonly validBefore: number
  /** Grows with every new leaf of this name; blocking reads wait on it. */
  readonly index: number
}

export interface TapListener {
  onEvent(event: TapEvent, skipped: number): void
  onRefused(reason: string): void
}

/** The running proxy of this host, as the HTTP API shows it. */
export interface MeshProxy {
  /** @returns Prometheus text. @throws FairleadError when no proxy runs or it does not answer */
  metrics(): Promise<string>
  /** @returns ends it. @throws FairleadError when no proxy runs */
  tap(filter: TapFilter, listener: TapListener): () => void
}

export interface LeafSource {
  /**
   * The current leaf of a service name (it need not be registered), signed on first use. With `minIndex`
   * waits until a newer one exists or `waitMs` has passed.
   *
   * @returns `cached` false when this call had it signed
   * @throws FairleadError of the CA (RATE_LIMITED, NO_LEADER, …) or the abort reason
   */
  leaf(
    service: string,
    options?: {
      readonly minIndex?: number
      readonly waitMs?: number
      readonly signal?: AbortSignal
      /** Of the token on whose behalf it is signed. */
      readonly secret?: string
    },
  ): Promise<{ readonly leaf: LeafCertificate; readonly cached: boolean; readonly ageMs: number }>
}
