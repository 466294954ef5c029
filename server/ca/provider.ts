/**
 * What signs for the mesh: the built-in authority, or one that an operator brings (mesh.md 4.9).
 *
 * Contract: a provider is opened on the leader alone and keeps nothing in the replicated state itself; its
 * chain does not change while it is open, except by `renew`. What an external one returns is believed only
 * after signed-chain.ts has looked at it.
 */

import type { JsonObject } from '../../core/catalog/types.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { ParsedCsr } from '../../runtime/pki/csr.ts'

export interface SigningChain {
  readonly rootPem: string
  /** From the certificate that signs leaves up to below the root; empty when the root itself signs. */
  readonly intermediatesPem: readonly string[]
}

export interface LeafOrder {
  /** As the agent sent it; its key has proven possession. */
  readonly csrPem: string
  readonly csr: ParsedCsr
  /** The identity that goes into the certificate, which may differ from that of the request. */
  readonly uri: string
  readonly ttlMs: number
  readonly serialNumber: number
}

export interface CaProvider {
  readonly chain: SigningChain
  /** @returns the leaf alone, PEM. @throws FairleadError RATE_LIMITED when the authority's own limit is reached */
  signLeaf(order: LeafOrder): Promise<string>
  /** Signs another root with this one's key; absent, or undefined as result, when it cannot. */
  crossSign?(rootPem: string): Promise<string | undefined>
  /** Another intermediate, or the same one where there is no other yet. Absent where the root signs. */
  renew?(): Promise<SigningChain>
  /** Called once in a while, to keep what the provider needs. */
  keepAlive?(): Promise<void>
}

export interface ProviderContext {
  readonly clusterId: string
  readonly trustDomain: string
  readonly datacenter: string
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly takeSerial: () => Promise<number>
  /** Of this server's own configuration; empty for none. */
  readonly signerCommand: readonly string[]
}

/** A provider that was opened, and the secret with which it can be opened again. */
export interface OpenedProvider {
  readonly provider: CaProvider
  readonly secret: string
}

export interface ProviderKind {
  /** In the names of root records: `<label> CA Primary Cert`. */
  readonly label: string
  /** Keys of the configuration that are secret: kept sealed beside it, never shown. */
  readonly secretKeys: readonly string[]
  /**
   * From a configuration that an operator gave.
   *
   * @param config with its secret keys, where given
   * @param present the secret in use, when this provider is the present one
   * @throws FairleadError BAD_REQUEST naming the key that is wrong
   */
  create(config: JsonObject, present: string, context: ProviderContext): Promise<OpenedProvider>
  /** Again, from what was stored. */
  open(
    config: JsonObject,
    secret: string,
    rootPem: string,
    context: ProviderContext,
  ): Promise<CaProvider>
}
