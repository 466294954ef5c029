/**
 * The certificate authority of the mesh: makes its root when this server first leads, signs leaves after.
 *
 * Guarantees: cluster id and root are made once per cluster (compare-and-set in the replicated state);
 * every leaf has a serial number of the replicated counter, whose index is the leaf's. Signs only while
 * `lead` has been called and not `resign`. Changes of configuration, and with them of roots, happen one
 * after the other (rotation.ts); roots whose last leaf has ended are forgotten within UPKEEP_MS.
 * Source: mesh.md 4.2–4.7. Bounds: signing-limiter.ts.
 */

import { revocationId } from '../../core/catalog/ca-revocations.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { CaRoot, JsonObject } from '../../core/catalog/types.ts'
import { formatDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { SignedLeaf } from '../../core/rpc/server-api.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { readCertificate } from '../../runtime/pki/certificate.ts'
import { parseCsr } from '../../runtime/pki/csr.ts'
import type { CommandWriter } from '../api/command-writer.ts'
import { type BuiltInCaConfig, readCaConfig } from './ca-config.ts'
import { CaRecords, rootContent, uninitialized, withoutKeys } from './ca-records.ts'
import { type SignableIdentity, signableIdentity } from './csr-identity.ts'
import type { CaProvider, ProviderContext } from './provider.ts'
import { BUILT_IN_PROVIDER, providerKind } from './provider-kinds.ts'
import { changeConfig, pruneRoots } from './rotation.ts'
import type { SecretSealer } from './sealed-secret.ts'
import { activeRootRecord, checkChain, checkExpiry, checkLeaf, signerOf } from './signed-chain.ts'
import { SigningLimiter } from './signing-limiter.ts'

export interface CertificateAuthorityOptions {
  readonly isEnabled: boolean
  readonly datacenter: string
  /** '' makes a new one. */
  readonly clusterId: string
  /** Name of the provider that a new cluster begins with. */
  readonly provider: string
  readonly leafTtlMs: number
  readonly rootTtlMs: number
  /** What the provider `command` runs. */
  readonly signerCommand: readonly string[]
  /** `ca_config` as given by the operator. */
  readonly config: JsonObject
}

export interface CertificateAuthorityDeps {
  readonly store: StateStoreApi
  readonly writer: Pick<CommandWriter, 'write'>
  readonly sealer: SecretSealer
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly newId: () => string
  /** Whether the caller may have this identity; throws PERMISSION_DENIED. Allows all while ACLs are off. */
  readonly authorize?: (identity: SignableIdentity) => void
}

/** At the start of a reign, while snapshots are restored. */
const ATTEMPTS_MAX = 3
/** How often old roots and ends of intermediates are looked at. */
export const UPKEEP_MS = 3_600_000

interface ActiveCa {
  readonly root: CaRoot
  readonly trustDomain: string
  readonly provider: CaProvider
}

export class CertificateAuthority {
  readonly #options: CertificateAuthorityOptions
  readonly #deps: CertificateAuthorityDeps
  readonly #records: CaRecords
  readonly #limiter: SigningLimiter
  readonly #initialConfig: JsonObject
  #active: ActiveCa | undefined
  #upkeep: Timer | undefined
  /** Changes of roots and configuration, one after the other. */
  #changes: Promise<unknown> = Promise.resolve()

  /** @throws FairleadError BAD_REQUEST when the operator's CA settings break a rule */
  constructor(options: CertificateAuthorityOptions, deps: CertificateAuthorityDeps) {
    this.#options = options
    this.#deps = deps
    this.#records = new CaRecords(deps.store, deps.writer, deps.sealer)
    this.#limiter = new SigningLimiter(deps.clock)
    this.#initialConfig = {
      LeafCertTTL: formatDurationMs(options.leafTtlMs),
      RootCertTTL: formatDurationMs(options.rootTtlMs),
      IntermediateCertTTL: '8760h0m0s',
      ...options.config,
    }
    providerKind(options.provider)
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
      if (this.#records.active() === undefined) await this.#createRoot(clusterId)
      const root = this.#records.active()
      if (root === undefined) continue
      this.#active = await this.#open(root)
      await this.#sealSecret(root)
      this.#armUpkeep(0)
      return
    }
    throw uninitialized('no active root')
  }

  /** Stops signing: this server does not lead any more. */
  resign(): void {
    this.#active = undefined
    this.#upkeep?.cancel()
    this.#upkeep = undefined
  }

  /**
   * Signs a request on the leader (mesh.md 4.4).
   *
   * @throws FairleadError BAD_REQUEST, PERMISSION_DENIED, RATE_LIMITED, BUSY while the CA is not ready
   */
  async sign(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    this.#assertEnabled()
    const csr = await parseCsr(csrPem)
    const { trustDomain } = await this.#current()
    const identity = signableIdentity(csr.uri, {
      trustDomain,
      datacenter: this.#options.datacenter,
    })
    this.#deps.authorize?.(identity)
    this.#refuseRevoked(identity.uri)
    const config = this.#config()
    return this.#limiter.run(
      config,
      identity.uri,
      async () => {
        const { root, provider } = await this.#current()
        const now = this.#deps.clock.wall()
        checkExpiry(root.notAfter, now, 'root')
        const [intermediate] = provider.chain.intermediatesPem
        if (intermediate !== undefined) {
          checkExpiry(readCertificate(intermediate).notAfter, now, 'intermediate')
        }
        const { serialNumber, index } = await this.#records.takeSerial()
        const order = { csrPem, csr, uri: identity.uri, ttlMs: config.leafTtlMs, serialNumber }
        const leafPem = await provider.signLeaf(order)
        checkLeaf(leafPem, order, provider.chain)
        const facts = readCertificate(leafPem)
        return {
          certPem: leafPem + root.intermediateCertsPem.join(''),
          serialNumber: facts.serialNumber,
          uri: identity.uri,
          notBefore: facts.notBefore,
          notAfter: facts.notAfter,
          index,
        }
      },
      signal,
    )
  }

  /**
   * Takes over another configuration, rotating the root where it asks for another one.
   *
   * @throws FairleadError BAD_REQUEST for broken rules, REJECTED; see rotation.ts
   */
  async configure(command: Command & { readonly kind: 'ca.config.set' }): Promise<void> {
    this.#assertEnabled()
    await this.#exclusively(() =>
      changeConfig(command, {
        records: this.#records,
        clock: this.#deps.clock,
        log: this.#deps.log,
        current: async () => (await this.#current()).provider,
        context: (clusterId) => this.#context(clusterId),
      }),
    )
  }

  #assertEnabled(): void {
    if (this.#options.isEnabled) return
    throw new FairleadError('REJECTED', 'Connect must be enabled in order to use this endpoint')
  }

  #refuseRevoked(uri: string): void {
    const id = revocationId({ kind: 'identity', value: uri })
    if (this.#records.revocations().every((each) => each.id !== id)) return
    throw new FairleadError('PERMISSION_DENIED', `Permission denied: identity "${uri}" is revoked`)
  }

  async #ensureConfig(): Promise<string> {
    const present = this.#records.config()
    if (present !== null) return present.clusterId
    const clusterId = (this.#options.clusterId || this.#deps.newId()).toLowerCase()
    const { provider } = this.#options
    const config = withoutKeys(this.#initialConfig, providerKind(provider).secretKeys)
    await this.#records.setConfig({ clusterId, provider, config }, 0)
    return this.#records.config()?.clusterId ?? clusterId
  }

  async #createRoot(clusterId: string): Promise<void> {
    const { clock, log } = this.#deps
    const kind = providerKind(this.#options.provider)
    const { provider, secret } = await kind.create(
      this.#initialConfig,
      '',
      this.#context(clusterId),
    )
    checkChain(provider.chain, clock.wall())
    const root = activeRootRecord(provider.chain, kind.label, clusterId)
    await this.#records.setRoots({ roots: [root], secret, cas: 0 })
    log.info('created the root certificate of the mesh', {
      root: root.id,
      trustDomain: trustDomainOf(clusterId),
    })
  }

  /** What signs now; opened again when the active root is another than when we began to lead. */
  async #current(): Promise<ActiveCa> {
    const active = this.#active
    if (active === undefined) throw uninitialized('no active root')
    const root = this.#records.active()
    if (root === active.root) return active
    // A snapshot of a time before there was a CA was restored: nobody would trust the root of before.
    if (root === undefined) await this.lead()
    else this.#active = await this.#open(root)
    return this.#active ?? active
  }

  async #open(root: CaRoot): Promise<ActiveCa> {
    const config = this.#records.config()
    const kind = providerKind(config?.provider ?? BUILT_IN_PROVIDER)
    const provider = await kind.open(
      config?.config ?? {},
      this.#records.secret(root.id),
      root.rootCertPem,
      this.#context(config?.clusterId ?? ''),
    )
    return { root, trustDomain: this.#records.trustDomain(), provider }
  }

  #context(clusterId: string): ProviderContext {
    const { clock, rng, log } = this.#deps
    return {
      clusterId,
      trustDomain: trustDomainOf(clusterId),
      datacenter: this.#options.datacenter,
      clock,
      rng,
      log,
      signerCommand: this.#options.signerCommand,
      takeSerial: async () => (await this.#records.takeSerial()).serialNumber,
    }
  }

  /** A secret that was written before there was a key to seal it with, or with an older one. */
  async #sealSecret(active: CaRoot): Promise<void> {
    const records = this.#records
    if (!records.isSecretOutdated) return
    const isWritten = await records.setRoots({
      roots: records.roots().map(rootContent),
      secret: records.secret(active.id),
      cas: records.rootsIndex(),
    })
    if (isWritten)
      this.#deps.log.info('sealed the key of the root certificate', { root: active.id })
  }

  #armUpkeep(delayMs: number): void {
    const { clock, log } = this.#deps
    this.#upkeep?.cancel()
    this.#upkeep = clock.timer(instant(clock.now() + delayMs), () => {
      this.#exclusively(() => this.#keepUp()).catch((err: unknown) => {
        log.warn('cannot look after the roots of the mesh, will try again', { err })
      })
      if (this.#active !== undefined) this.#armUpkeep(UPKEEP_MS)
    })
  }

  async #keepUp(): Promise<void> {
    if (this.#active === undefined) return
    const { clock, log } = this.#deps
    const pruned = await pruneRoots(this.#records, clock, this.#records.config()?.config ?? {})
    if (pruned > 0) log.info('forgot roots whose last certificate has ended', { count: pruned })
    await this.#renewIntermediate()
    await this.#active?.provider.keepAlive?.()
  }

  /** Half of its life before it ends. */
  async #renewIntermediate(): Promise<void> {
    const { provider, root } = await this.#current()
    const { clock, log } = this.#deps
    if (provider.renew === undefined) return
    const { notBefore, notAfter } = readCertificate(signerOf(provider.chain))
    if (clock.wall() < (notBefore + notAfter) / 2) return
    const cas = this.#records.rootsIndex()
    const chain = await provider.renew()
    if (signerOf(chain) === signerOf(provider.chain)) {
      log.warn('the intermediate certificate of the mesh is to be replaced', {
        ends: new Date(notAfter).toISOString(),
      })
      return
    }
    checkChain(chain, clock.wall())
    const kind = providerKind(this.#records.config()?.provider ?? BUILT_IN_PROVIDER)
    const renewed = activeRootRecord(chain, kind.label, root.externalTrustDomain)
    const bridges = root.intermediateCertsPem.filter(
      (pem) => !provider.chain.intermediatesPem.includes(pem),
    )
    await this.#records.setRoots({
      roots: this.#records
        .roots()
        .map((each) =>
          each.active
            ? { ...renewed, intermediateCertsPem: [...bridges, ...chain.intermediatesPem] }
            : rootContent(each),
        ),
      secret: this.#records.secret(root.id),
      cas,
    })
    log.info('renewed the intermediate certificate of the mesh', { root: root.id })
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(work)
    this.#changes = done.catch(() => undefined)
    return done
  }

  #config(): BuiltInCaConfig {
    return readCaConfig(this.#records.config()?.config ?? this.#initialConfig)
  }
}

export function trustDomainOf(clusterId: string): string {
  return `${clusterId}.consul`.toLowerCase()
}
