/**
 * The certificate authority of the mesh: makes its root when this server first leads, signs leaves after.
 *
 * Guarantees: cluster id and root are made once per cluster (compare-and-set in the replicated state);
 * every leaf has a serial number of the replicated counter, whose index is the leaf's. Signs only while
 * `lead` has been called and not `resign`. Rotation is not here: a configuration that would change the
 * root is refused.
 * Source: mesh.md 4.2–4.5, 4.7. Bounds: signing-limiter.ts.
 */

import type { Command } from '../../core/catalog/commands.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { CaRoot, JsonObject } from '../../core/catalog/types.ts'
import { formatDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { SignedLeaf } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { readCertificate } from '../../runtime/pki/certificate.ts'
import { parseCsr } from '../../runtime/pki/csr.ts'
import { readPrivateKey } from '../../runtime/pki/keys.ts'
import { LeafSigner } from '../../runtime/pki/leaf-signer.ts'
import type { CommandWriter } from '../api/command-writer.ts'
import { type BuiltInCaConfig, readCaConfig } from './ca-config.ts'
import { type SignableIdentity, signableIdentity } from './csr-identity.ts'
import { makeRoot } from './root-material.ts'
import { SigningLimiter } from './signing-limiter.ts'

export const BUILT_IN_PROVIDER = 'consul'

/** Keys of a configuration that decide which root there is; changing them means rotation. */
const ROOT_KEYS = ['PrivateKey', 'RootCert', 'PrivateKeyType', 'PrivateKeyBits'] as const

export interface CertificateAuthorityOptions {
  readonly isEnabled: boolean
  readonly datacenter: string
  /** '' makes a new one. */
  readonly clusterId: string
  readonly leafTtlMs: number
  readonly rootTtlMs: number
  /** `ca_config` as given by the operator. */
  readonly config: JsonObject
}

export interface CertificateAuthorityDeps {
  readonly store: StateStoreApi
  readonly writer: Pick<CommandWriter, 'write'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly newId: () => string
  /** Whether the caller may have this identity; throws PERMISSION_DENIED. Allows all while ACLs are off. */
  readonly authorize?: (identity: SignableIdentity) => void
}

/** At the start of a reign, while snapshots are restored. */
const ATTEMPTS_MAX = 3

interface ActiveCa {
  readonly root: CaRoot
  readonly trustDomain: string
  readonly signer: LeafSigner
}

export class CertificateAuthority {
  readonly #options: CertificateAuthorityOptions
  readonly #deps: CertificateAuthorityDeps
  readonly #limiter: SigningLimiter
  readonly #initialConfig: JsonObject
  #active: ActiveCa | undefined

  /** @throws FairleadError BAD_REQUEST when the operator's CA settings break a rule */
  constructor(options: CertificateAuthorityOptions, deps: CertificateAuthorityDeps) {
    this.#options = options
    this.#deps = deps
    this.#limiter = new SigningLimiter(deps.clock)
    this.#initialConfig = {
      LeafCertTTL: formatDurationMs(options.leafTtlMs),
      RootCertTTL: formatDurationMs(options.rootTtlMs),
      IntermediateCertTTL: '8760h0m0s',
      ...options.config,
    }
    readCaConfig(this.#initialConfig)
  }

  /**
   * Makes what is missing of cluster id, configuration and root, then is ready to sign. Idempotent.
   *
   * @throws FairleadError of the writes; the caller tries again while it leads
   */
  async lead(): Promise<void> {
    if (!this.#options.isEnabled) return
    // A snapshot restored meanwhile may take away what was just made.
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const clusterId = await this.#ensureConfig()
      if (activeRoot(this.#roots()) === undefined) await this.#createRoot(clusterId)
      const root = activeRoot(this.#roots())
      if (root === undefined) continue
      this.#active = await this.#open(root)
      return
    }
    throw uninitialized('no active root')
  }

  /** Stops signing: this server does not lead any more. */
  resign(): void {
    this.#active = undefined
  }

  /**
   * Signs a request on the leader (mesh.md 4.4).
   *
   * @throws FairleadError BAD_REQUEST, PERMISSION_DENIED, RATE_LIMITED, BUSY while the CA is not ready
   */
  async sign(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    if (!this.#options.isEnabled) {
      throw new FairleadError('REJECTED', 'Connect must be enabled in order to use this endpoint')
    }
    const csr = await parseCsr(csrPem)
    const active = await this.#current()
    const identity = signableIdentity(csr.uri, {
      trustDomain: active.trustDomain,
      datacenter: this.#options.datacenter,
    })
    this.#deps.authorize?.(identity)
    const config = this.#config()
    return this.#limiter.run(
      config,
      async () => {
        const now = this.#deps.clock.wall()
        if (active.root.notAfter <= now) {
          throw new FairleadError(
            'REJECTED',
            `root expired: certificate expired, expiration date: ${new Date(active.root.notAfter).toISOString()}`,
          )
        }
        const { serialNumber, index } = await this.#takeSerial()
        const leaf = await active.signer.sign({
          ...csr,
          uri: identity.uri,
          serialNumber,
          now,
          ttlMs: config.leafTtlMs,
        })
        return {
          certPem: leaf.certPem + active.root.intermediateCertsPem.join(''),
          serialNumber: readCertificate(leaf.certPem).serialNumber,
          uri: identity.uri,
          notBefore: leaf.notBefore,
          notAfter: leaf.notAfter,
          index,
        }
      },
      signal,
    )
  }

  /** @throws FairleadError BAD_REQUEST for broken rules, NOT_SUPPORTED for what would rotate the root */
  checkConfig(command: Command & { readonly kind: 'ca.config.set' }): void {
    const { provider, config } = command.config
    if (provider !== BUILT_IN_PROVIDER) {
      throw new FairleadError('NOT_SUPPORTED', `CA provider "${provider}" is not supported`)
    }
    readCaConfig(config)
    const present = this.#deps.store.read('ca.config', {}).value
    const changed = ROOT_KEYS.find(
      (key) => config[key] !== undefined && config[key] !== present?.config[key],
    )
    if (present !== null && changed !== undefined) {
      throw new FairleadError(
        'NOT_SUPPORTED',
        `Changing "${changed}" would rotate the root certificate, which is not supported yet`,
      )
    }
  }

  async #ensureConfig(): Promise<string> {
    const present = this.#deps.store.read('ca.config', {}).value
    if (present !== null) return present.clusterId
    const clusterId = (this.#options.clusterId || this.#deps.newId()).toLowerCase()
    // Key and root go to the state of the provider and of the roots: configuration can be read by many.
    const { PrivateKey: _key, RootCert: _root, ...config } = this.#initialConfig
    await this.#deps.writer.write({
      kind: 'ca.config.set',
      config: { clusterId, provider: BUILT_IN_PROVIDER, config },
      cas: 0,
    })
    return this.#deps.store.read('ca.config', {}).value?.clusterId ?? clusterId
  }

  async #createRoot(clusterId: string): Promise<void> {
    const { clock, rng, writer, log } = this.#deps
    const material = await makeRoot(
      readCaConfig(this.#initialConfig),
      { clusterId, trustDomain: trustDomainOf(clusterId), now: clock.wall(), rng },
      async () => (await this.#takeSerial()).serialNumber,
    )
    await writer.write({
      kind: 'ca.roots.set',
      roots: [material.root],
      provider: { rootId: material.root.id, privateKeyPem: material.privateKeyPem },
      cas: 0,
    })
    log.info('created the root certificate of the mesh', {
      root: material.root.id,
      trustDomain: trustDomainOf(clusterId),
    })
  }

  async #takeSerial(): Promise<{ readonly serialNumber: number; readonly index: number }> {
    const written = await this.#deps.writer.write({ kind: 'ca.serial.take', count: 1 })
    if (!written.ok || typeof written.value !== 'number') {
      throw new FairleadError('INTERNAL', 'The serial number counter gave no number')
    }
    return { serialNumber: written.value, index: written.index }
  }

  /** What signs now; opened again when the active root is another than when we began to lead. */
  async #current(): Promise<ActiveCa> {
    const active = this.#active
    if (active === undefined) throw uninitialized('no active root')
    const root = activeRoot(this.#roots())
    if (root?.id === active.root.id) return active
    // A snapshot of a time before there was a CA was restored: nobody would trust the root of before.
    if (root === undefined) await this.lead()
    else this.#active = await this.#open(root)
    return this.#active ?? active
  }

  async #open(root: CaRoot): Promise<ActiveCa> {
    const provider = this.#deps.store.caProvider()
    if (provider === null || provider.rootId !== root.id) {
      throw uninitialized(`the key of root ${root.id} is missing`)
    }
    return {
      root,
      trustDomain: this.#roots().trustDomain,
      signer: await LeafSigner.open(root.rootCertPem, readPrivateKey(provider.privateKeyPem)),
    }
  }

  #config(): BuiltInCaConfig {
    return readCaConfig(this.#deps.store.read('ca.config', {}).value?.config ?? this.#initialConfig)
  }

  #roots() {
    return this.#deps.store.read('ca.roots', {}).value
  }
}

export function trustDomainOf(clusterId: string): string {
  return `${clusterId}.consul`.toLowerCase()
}

function activeRoot(roots: { readonly roots: readonly CaRoot[] }): CaRoot | undefined {
  return roots.roots.find((root) => root.active)
}

/** Retryable: a new leader is ready a moment later. */
function uninitialized(why: string): FairleadError {
  return new FairleadError(
    'BUSY',
    `CA is uninitialized and unable to sign certificates yet: ${why}`,
  )
}
