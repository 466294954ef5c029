/**
 * The mesh of this host: watches what it depends on and keeps the proxy's configuration in step.
 *
 * Data flows one way: local state and catalog views → demand (core/mesh/demand.ts) → views and leaves held
 * open → snapshot (core/mesh/build-snapshot.ts) → supervisor. Changes that come together make one snapshot (pace.ts); an
 * unchanged snapshot is not sent. What config entries say about a proxy lies under its registration from the beginning
 * (central-config.ts). What cannot be honoured (upstreams, settings) is said once in the log, and again when it
 * comes back after it was gone.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type {
  ConfigEntryRecord,
  HealthEntry,
  IntentionAction,
  IntentionRecord,
  ServiceDefinition,
} from '../../core/catalog/types.ts'
import type { CompiledChain } from '../../core/chain/types.ts'
import { withCentralConfig } from '../../core/config-entries/central-config.ts'
import { providersOf } from '../../core/intentions/jwt.ts'
import { compareIntentions } from '../../core/intentions/precedence.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import {
  buildProxySnapshot,
  isSupportedUpstream,
  type MeshInputs,
} from '../../core/mesh/build-snapshot.ts'
import { ClusterMemo } from '../../core/mesh/cluster-memo.ts'
import {
  agentIdentityId,
  localProxies,
  type MeshDemand,
  meshDemand,
} from '../../core/mesh/demand.ts'
import { jwtProviderSpec } from '../../core/mesh/jwt-providers.ts'
import type {
  JwtProviderSpec,
  ProxyIdentity,
  ProxySnapshot,
} from '../../core/mesh/proxy-snapshot.ts'
import { sidecarConfiguration } from '../../core/mesh/sidecar-configuration.ts'
import { agentSpiffeUri, serviceSpiffeUri } from '../../core/mesh/spiffe.ts'
import { type TelemetrySettings, telemetrySettings } from '../../core/mesh/telemetry-settings.ts'
import { unsupportedSettings } from '../../core/mesh/unsupported-settings.ts'
import type { Clock, Instant } from '../../core/time.ts'
import type { LocalStateApi } from '../local/types.ts'
import type { CatalogViews, View } from '../view/types.ts'
import { ChainSet } from './chain-set.ts'
import { JwtKeys } from './jwt-keys.ts'
import { type LeafStore, revokedSerials, signingKeyIdOf } from './leaf-store.ts'
import { Pace } from './pace.ts'
import type { ProxySupervisor } from './proxy-supervisor.ts'
import { type ClaimOptions, type SidecarClaim, SidecarClaims } from './sidecar-claims.ts'
import { SubsetFilters } from './subset.ts'
import { ViewSet } from './view-set.ts'

const JWT_PROVIDER = 'jwt-provider'

export interface MeshControllerOptions {
  readonly datacenter: string
  readonly nodeName: string
  readonly bindAddress: string
  readonly loopbackBase: string
  readonly virtualPorts: readonly number[]
  readonly defaultAction: IntentionAction
}

export interface MeshControllerDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly local: LocalStateApi
  readonly views: CatalogViews
  readonly leaves: LeafStore
  readonly supervisor: ProxySupervisor
}

export class MeshController implements Service {
  readonly #options: MeshControllerOptions
  readonly #deps: MeshControllerDeps
  readonly #roots: View<'roots'>
  readonly #virtualIps: View<'virtual-ips'>
  readonly #destinations: ViewSet<'connect', readonly HealthEntry[]>
  readonly #intentions: ViewSet<'intentions', readonly IntentionRecord[]>
  readonly #chains: ChainSet
  /** Followed only while an intention of this host asks for tokens. */
  readonly #jwtProviders: ViewSet<'config', readonly ConfigEntryRecord[]>
  readonly #jwtKeys: JwtKeys
  readonly #subsets = new SubsetFilters()
  readonly #pinned = new Map<string, string>()
  /** Unsupported upstreams and settings of the proxies that are registered now. */
  #toldAbout: ReadonlySet<string> = new Set()
  #telemetryProblems: readonly string[] = []
  readonly #claims: SidecarClaims
  readonly #unsubscribe: (() => void)[] = []
  readonly #pace: Pace
  #version = 0
  readonly #clusters = new ClusterMemo()
  #lastSent: { readonly snapshot: ProxySnapshot; readonly isComplete: boolean } | undefined
  #started: Promise<void> | undefined
  #stopped = false

  constructor(options: MeshControllerOptions, deps: MeshControllerDeps) {
    this.#options = options
    this.#deps = deps
    this.#pace = new Pace(deps.clock, () => this.#rebuild())
    const changed = (): void => this.#pace.request()
    this.#roots = deps.views.open('roots', '')
    this.#virtualIps = deps.views.open('virtual-ips', '')
    this.#destinations = new ViewSet(
      { topic: 'connect', read: (items) => [...items], onChange: changed },
      deps.views,
    )
    this.#intentions = new ViewSet(
      {
        topic: 'intentions',
        read: (items) => [...items].sort(compareIntentions),
        onChange: changed,
      },
      deps.views,
    )
    this.#jwtProviders = new ViewSet(
      { topic: 'config', read: (items) => [...items], onChange: changed },
      deps.views,
    )
    this.#jwtKeys = new JwtKeys({ clock: deps.clock, log: deps.log, onChange: changed })
    this.#chains = new ChainSet({ ...deps, datacenter: options.datacenter })
    this.#claims = new SidecarClaims(deps.clock, changed)
  }

  /** Another data plane serves a sidecar from now on, and is told what it must know. @throws FairleadError RATE_LIMITED */
  claim(options: ClaimOptions): SidecarClaim {
    return this.#claims.claim(options)
  }

  /** Ids of sidecars that our own proxy does not serve. */
  servedElsewhere(services: readonly ServiceDefinition[]): ReadonlySet<string> {
    return this.#claims.servedElsewhere(services)
  }

  async start(): Promise<void> {
    this.#started ??= this.#begin()
    await this.#started
  }

  async drain(_deadline: Instant): Promise<void> {}

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#pace.stop()
    this.#claims.stop()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const set of [this.#destinations, this.#intentions, this.#chains, this.#jwtProviders]) {
      set.close()
    }
    this.#jwtKeys.stop()
    this.#roots.release()
    this.#virtualIps.release()
    this.#deps.leaves.stop()
    await this.#deps.supervisor.stop()
  }

  async #begin(): Promise<void> {
    await this.#deps.supervisor.adopt()
    const changed = (): void => this.#pace.request()
    this.#chains.onChange(changed)
    this.#unsubscribe.push(
      this.#deps.local.onChange((change) => {
        if (change.kind === 'service') changed()
      }),
      this.#roots.onChange(changed),
      this.#virtualIps.onChange(changed),
      this.#deps.leaves.onChange(changed),
      this.#deps.supervisor.onConfigured(() => {
        if (this.#claims.areAny) changed()
      }),
    )
    this.#pace.runNow()
  }

  #rebuild(): void {
    const { local, leaves, supervisor } = this.#deps
    const { datacenter, nodeName } = this.#options
    const roots = this.#roots.items().get('roots')
    if (roots !== undefined) {
      leaves.signerChanged(signingKeyIdOf(roots))
      leaves.revoked(revokedSerials(roots))
    }
    const entryOf = (kind: string, name: string) => this.#chains.entry(kind, name)
    const services = [...local.services().values()].map(({ service }) =>
      withCentralConfig(service, entryOf),
    )
    const virtualIps = [...this.#virtualIps.items().values()]
    const demand = meshDemand(services, virtualIps, nodeName)
    const chains = this.#chains.compile(demand.destinations, roots?.trustDomain ?? '')
    this.#follow(demand, chains, roots?.trustDomain)
    this.#sayUnsupported(services)
    const hasProxy = supervisor.state !== 'idle'
    if (roots === undefined || (!demand.needsProxy && !hasProxy)) return
    const intentions = this.#intentions.values()
    const inputs: MeshInputs = {
      version: 0,
      datacenter,
      nodeName,
      trustDomain: roots.trustDomain,
      // Only what ends a chain: peers bring the rest, and a bridge to a root that was forgotten would mislead.
      rootsPem: roots.roots.map((root) => root.rootCertPem),
      revocations: roots.revocations ?? [],
      services,
      servedElsewhere: this.#claims.servedElsewhere(services),
      virtualIps,
      loopbackBase: this.#options.loopbackBase,
      virtualPorts: this.#options.virtualPorts,
      identities: this.#identities(),
      instances: this.#destinations.values(),
      intentions,
      jwtProviders: this.#followProviders(intentions),
      chains,
      protocolOf: (service) => this.#chains.protocolOf(service),
      serviceDefaultsOf: (service) => entryOf('service-defaults', service),
      matching: (entries, filter) => this.#subsets.matching(entries, filter),
      defaultAction: this.#options.defaultAction,
      bindAddress: this.#options.bindAddress,
    }
    this.#configureOwn(inputs, this.#isComplete(demand))
    this.#configureOthers(inputs)
  }

  #configureOwn(inputs: MeshInputs, isComplete: boolean): void {
    const { telemetry, problems } = this.#telemetry(inputs)
    const snapshot = { ...buildProxySnapshot(inputs, this.#clusters), telemetry }
    this.#sayTelemetry(problems)
    const wanted = { snapshot, isComplete }
    if (sameData(wanted, this.#lastSent)) return
    this.#lastSent = wanted
    this.#version++
    this.#deps.supervisor.configure({ ...snapshot, version: this.#version }, isComplete)
  }

  #telemetry({ services, servedElsewhere }: MeshInputs): TelemetrySettings {
    const own = localProxies(services).filter(({ id }) => !servedElsewhere.has(id))
    return telemetrySettings(this.#chains.entry('proxy-defaults', 'global'), own)
  }

  /** Each once, until it is mended. */
  #sayTelemetry(problems: readonly string[]): void {
    for (const problem of problems) {
      if (this.#telemetryProblems.includes(problem)) continue
      this.#deps.log.warn('a telemetry setting cannot be obeyed', { problem })
    }
    this.#telemetryProblems = problems
  }

  /** Not before our own proxy has let go of the ports: who finds one taken may not try again. */
  #configureOthers(inputs: MeshInputs): void {
    if (this.#deps.supervisor.configuredVersion < this.#version) return
    const sidecars = new Map(localProxies(inputs.services).map((sidecar) => [sidecar.id, sidecar]))
    this.#claims.deliver((id) => {
      const sidecar = sidecars.get(id)
      const isOurs = !inputs.servedElsewhere.has(id)
      return sidecar === undefined || isOurs ? undefined : sidecarConfiguration(sidecar, inputs)
    })
  }

  #follow(
    demand: MeshDemand,
    chains: ReadonlyMap<string, CompiledChain>,
    trustDomain: string | undefined,
  ): void {
    this.#destinations.want(this.#services(demand, chains))
    this.#intentions.want(demand.protectedServices)
    if (trustDomain === undefined) return
    for (const id of demand.identities) {
      const uri = this.#spiffeUri(id, trustDomain)
      if (this.#pinned.get(id) === uri) continue
      this.#pinned.set(id, uri)
      this.#deps.leaves.pin(uri)
    }
    for (const [id, uri] of this.#pinned) {
      if (demand.identities.has(id)) continue
      this.#pinned.delete(id)
      this.#deps.leaves.unpin(uri)
    }
  }

  #followProviders(
    intentions: ReadonlyMap<string, readonly IntentionRecord[]>,
  ): readonly JwtProviderSpec[] {
    const names = new Set<string>()
    for (const rules of intentions.values()) {
      for (const rule of rules) for (const name of providersOf(rule)) names.add(name)
    }
    this.#jwtProviders.want(new Set(names.size === 0 ? [] : [JWT_PROVIDER]))
    const found = this.#jwtProviders.values().get(JWT_PROVIDER) ?? []
    const wanted = found.filter(({ name }) => names.has(name))
    this.#jwtKeys.want(wanted)
    return wanted.map(({ name, body }) => jwtProviderSpec(name, body, this.#jwtKeys.of(name)))
  }

  #spiffeUri(identityId: string, trustDomain: string): string {
    const { datacenter, nodeName } = this.#options
    if (identityId === agentIdentityId(nodeName)) {
      return agentSpiffeUri(trustDomain, datacenter, nodeName)
    }
    return serviceSpiffeUri(trustDomain, datacenter, identityId.slice('svc/'.length))
  }

  #identities(): Map<string, ProxyIdentity> {
    const identities = new Map<string, ProxyIdentity>()
    for (const [id, uri] of this.#pinned) {
      const leaf = this.#deps.leaves.peek(uri)
      if (leaf === undefined) continue
      identities.set(id, {
        id,
        spiffeUri: uri,
        certPem: leaf.certPem,
        keyPem: leaf.privateKeyPem,
        notAfter: leaf.validBefore,
      })
    }
    return identities
  }

  /** Those called, and those that their chains lead to. */
  #services(demand: MeshDemand, chains: ReadonlyMap<string, CompiledChain>): Set<string> {
    const services = new Set(demand.destinations)
    for (const chain of chains.values()) {
      for (const target of Object.values(chain.targets)) {
        const isHere = target.peer === '' && target.datacenter === this.#options.datacenter
        if (isHere) services.add(target.service)
      }
    }
    return services
  }

  #isComplete(demand: MeshDemand): boolean {
    const isKnown =
      this.#virtualIps.isReady && this.#destinations.isReady && this.#intentions.isReady
    if (!isKnown || !this.#chains.isReady || !this.#jwtProviders.isReady) return false
    for (const id of demand.identities) {
      const uri = this.#pinned.get(id)
      if (uri === undefined || this.#deps.leaves.peek(uri) === undefined) return false
    }
    return true
  }

  #sayUnsupported(services: Parameters<typeof localProxies>[0]): void {
    const unsupported = new Set<string>()
    for (const proxy of localProxies(services)) {
      for (const setting of unsupportedSettings(proxy)) {
        const key = `${proxy.id} ${setting}`
        unsupported.add(key)
        if (this.#toldAbout.has(key)) continue
        this.#deps.log.warn('the proxy does not obey a setting', { proxy: proxy.id, setting })
      }
      for (const upstream of proxy.proxy?.upstreams ?? []) {
        if (isSupportedUpstream(upstream, this.#options.datacenter)) continue
        const key = `${proxy.id} ${upstream.destinationName}`
        unsupported.add(key)
        if (this.#toldAbout.has(key)) continue
        this.#deps.log.warn('upstream not supported, no listener for it', {
          proxy: proxy.id,
          upstream: upstream.destinationName,
          type: upstream.destinationType,
          datacenter: upstream.datacenter,
        })
      }
    }
    this.#toldAbout = unsupported
  }
}
