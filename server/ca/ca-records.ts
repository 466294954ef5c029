/**
 * The authority's records in the replicated state: configuration, roots, secret, serial numbers.
 *
 * Guarantees: a secret leaves this class sealed where the servers have a key for it, and neither a private
 * key nor a token is part of a stored configuration, which many may read. Roots and configuration are
 * replaced together or not at all.
 */

import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type {
  CaConfig,
  CaRevocation,
  CaRoot,
  Indexed,
  JsonObject,
} from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { CommandWriter } from '../api/command-writer.ts'
import type { SecretSealer } from './sealed-secret.ts'

export type NewRoot = Omit<CaRoot, keyof Indexed>

export interface NewRoots {
  readonly roots: readonly NewRoot[]
  /** Of the active root, not sealed. */
  readonly secret: string
  /** Index of the roots that these follow; see `rootsIndex`. */
  readonly cas: number
  readonly config?: { readonly record: Omit<CaConfig, keyof Indexed>; readonly cas: number }
}

export class CaRecords {
  readonly #store: StateStoreApi
  readonly #writer: Pick<CommandWriter, 'write'>
  readonly #sealer: SecretSealer

  constructor(store: StateStoreApi, writer: Pick<CommandWriter, 'write'>, sealer: SecretSealer) {
    this.#store = store
    this.#writer = writer
    this.#sealer = sealer
  }

  config(): CaConfig | null {
    return this.#store.read('ca.config', {}).value
  }

  roots(): readonly CaRoot[] {
    return this.#store.read('ca.roots', {}).value.roots
  }

  active(): CaRoot | undefined {
    return this.roots().find((root) => root.active)
  }

  revocations(): readonly CaRevocation[] {
    return this.#store.read('ca.roots', {}).value.revocations ?? []
  }

  trustDomain(): string {
    return this.#store.read('ca.roots', {}).value.trustDomain
  }

  /** To be given back with what replaces them. */
  rootsIndex(): number {
    return this.#store.read('ca.roots', {}).index
  }

  /** @throws FairleadError BUSY when there is none for this root, CA_KEY_SEALED */
  secret(rootId: string): string {
    const stored = this.#store.caProvider()
    if (stored === null || stored.rootId !== rootId) {
      throw uninitialized(`the key of root ${rootId} is missing`)
    }
    return this.#sealer.open(stored.privateKeyPem, rootId)
  }

  /** Whether the secret stands in clear, or under an older key, although this server could seal it. */
  get isSecretOutdated(): boolean {
    const stored = this.#store.caProvider()
    return stored !== null && this.#sealer.isOutdated(stored.privateKeyPem)
  }

  async setConfig(record: Omit<CaConfig, keyof Indexed>, cas?: number): Promise<boolean> {
    const written = await this.#writer.write({
      kind: 'ca.config.set',
      config: record,
      ...(cas === undefined ? {} : { cas }),
    })
    return written.ok && written.value === true
  }

  /** @returns false when roots or configuration have changed meanwhile */
  async setRoots({ roots, secret, cas, config }: NewRoots): Promise<boolean> {
    const rootId = roots.find((root) => root.active)?.id ?? ''
    const written = await this.#writer.write({
      kind: 'ca.roots.set',
      roots,
      provider: { rootId, privateKeyPem: this.#sealer.seal(secret, rootId) },
      cas,
      ...(config === undefined ? {} : { config }),
    })
    return written.ok && written.value === true
  }

  async takeSerial(): Promise<{ readonly serialNumber: number; readonly index: number }> {
    const written = await this.#writer.write({ kind: 'ca.serial.take', count: 1 })
    if (!written.ok || typeof written.value !== 'number') {
      throw new FairleadError('INTERNAL', 'The serial number counter gave no number')
    }
    return { serialNumber: written.value, index: written.index }
  }
}

/** Without the indexes: as a command has it. */
export function rootContent(root: CaRoot): NewRoot {
  const { createIndex: _created, modifyIndex: _modified, ...content } = root
  return content
}

export function withoutKeys(config: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !keys.includes(name)))
}

/** Retryable: a new leader is ready a moment later. */
export function uninitialized(why: string): FairleadError {
  return new FairleadError(
    'BUSY',
    `CA is uninitialized and unable to sign certificates yet: ${why}`,
  )
}
