/**
 * One Envoy on its discovery stream: who it is, what it is sent, what it says to that.
 *
 * Guarantees: nothing is sent before the sidecar is known and our own proxy has let go of its ports; the claim on the
 * sidecar is released however the stream ends. What Envoy refuses is in the log and in `proxy status`, with what to do.
 * A resource is encoded once for each time it changes.
 */

import type { JsonObject, ServiceDefinition } from '../../core/catalog/types.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { SidecarConfiguration } from '../../core/mesh/sidecar-configuration.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { type DeltaResponse, DeltaSession, type Verdict } from '../../core/xds/delta-session.ts'
import { fixOf } from '../../core/xds/rejection.ts'
import { XDS_KINDS, type XdsKind, type XdsResources } from '../../core/xds/resource-types.ts'
import { xdsResources } from '../../core/xds/resources.ts'
import {
  type EncodedResource,
  encodeResource,
  type XdsNode,
  type XdsRequest,
} from '../../runtime/rpc/envoy-codec.ts'
import type { XdsStream } from '../../runtime/rpc/xds-host.ts'
import type { LocalStateApi } from '../local/types.ts'
import { DataPlane, type DataPlanes } from '../mesh/data-planes.ts'
import type { MeshController } from '../mesh/mesh-controller.ts'
import { configuredDataPlane, type SidecarClaim } from '../mesh/sidecar-claims.ts'

const NAME = 'envoy'
/** As many as Envoy has kinds of resources, and some. */
const WAITING_MAX = 64
/** A token that was taken away ends the stream after this, and what the agent remembers of tokens. */
export const RIGHTS_MS = 5_000

export interface EnvoyStreamDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly local: LocalStateApi
  readonly mesh: Pick<MeshController, 'claim'>
  readonly dataPlanes: DataPlanes
  /** Refuses who may not serve a service; absent without access control. */
  readonly assertMayServe?: (secret: string, service: string) => Promise<void>
}

/** By kind and name. */
type EncodedTexts = Map<string, { readonly text: string; readonly resource: EncodedResource }>

interface Known {
  readonly sidecarId: string
  readonly plane: DataPlane
  readonly claim: SidecarClaim
  readonly forget: () => void
}

export class EnvoyStream {
  readonly #stream: XdsStream
  readonly #deps: EnvoyStreamDeps
  readonly #session = new DeltaSession<EncodedResource>((verdict) => this.#onVerdict(verdict))
  #known: Known | undefined
  /** Requests that came while it was looked up whether this Envoy may be told anything. */
  #waiting: XdsRequest[] | undefined
  #rightsTimer: Timer | undefined
  #isOver = false
  #encoded: EncodedTexts = new Map()

  constructor(stream: XdsStream, deps: EnvoyStreamDeps) {
    this.#stream = stream
    this.#deps = deps
    stream.onRequest((request) => this.#onRequest(request))
    stream.onEnd(() => this.#onEnd())
  }

  /** @throws FairleadError, which ends the stream */
  #onRequest(request: XdsRequest): void {
    if (request.typeUrl === '') {
      throw new FairleadError('BAD_REQUEST', 'type URL is required for ADS')
    }
    if (this.#waiting !== undefined) {
      if (this.#waiting.length >= WAITING_MAX) throw new FairleadError('BUSY', 'too many requests')
      this.#waiting.push(request)
      return
    }
    if (this.#known === undefined) {
      const { assertMayServe } = this.#deps
      if (assertMayServe !== undefined) {
        this.#waiting = [request]
        void this.#beginIfAllowed(request.node, assertMayServe)
        return
      }
      this.#begin(request.node)
    }
    this.#answer(request)
  }

  async #beginIfAllowed(
    node: XdsNode | undefined,
    assertMayServe: NonNullable<EnvoyStreamDeps['assertMayServe']>,
  ): Promise<void> {
    try {
      const service = this.#sidecar(node?.id ?? '').proxy?.destinationServiceName ?? ''
      await assertMayServe(this.#stream.token, service)
      if (this.#isOver) return
      this.#begin(node)
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      for (const request of waiting) this.#answer(request)
      this.#askAgainLater(service, assertMayServe)
    } catch (thrown) {
      if (!this.#isOver) this.#stream.fail(toFairleadError(thrown))
    }
  }

  #askAgainLater(
    service: string,
    assertMayServe: NonNullable<EnvoyStreamDeps['assertMayServe']>,
  ): void {
    const { clock } = this.#deps
    this.#rightsTimer = clock.timer(instant(clock.now() + RIGHTS_MS), () => {
      assertMayServe(this.#stream.token, service).then(
        () => {
          if (!this.#isOver) this.#askAgainLater(service, assertMayServe)
        },
        (thrown: unknown) => {
          if (!this.#isOver) this.#stream.fail(toFairleadError(thrown))
        },
      )
    })
  }

  #answer(request: XdsRequest): void {
    // Types that are not served have no resources: Envoy waits for none it was not told of.
    if (request.delta !== undefined) this.#send(this.#session.request(request.delta))
  }

  #begin(node: XdsNode | undefined): void {
    if (node === undefined || node.id === '') {
      throw new FairleadError('BAD_REQUEST', 'the first request must have a node with an id')
    }
    const { clock, log, mesh, dataPlanes } = this.#deps
    const sidecar = this.#sidecar(node.id)
    const service = sidecar.proxy?.destinationServiceName ?? ''
    const since = clock.wall()
    const facts = { sidecarId: node.id, service, dataPlane: NAME, program: node.program, since }
    const plane = new DataPlane(facts)
    const claim = mesh.claim({
      sidecarId: node.id,
      dataPlane: NAME,
      onConfiguration: (configuration) => this.#onConfiguration(configuration),
    })
    this.#known = { sidecarId: node.id, plane, claim, forget: dataPlanes.connected(plane) }
    log.info('envoy serves a sidecar', { sidecar: node.id, service, program: node.program })
  }

  #sidecar(id: string): ServiceDefinition {
    const sidecar = this.#deps.local.services().get(id)?.service
    if (sidecar === undefined) {
      const message = `no proxy "${id}" is registered with this agent: register the service with connect { sidecar_service {} }, and begin Envoy's node.id with its id`
      throw new FairleadError('NOT_FOUND', message)
    }
    if (sidecar.kind !== 'connect-proxy') {
      const message = `"${id}" is ${sidecar.kind === '' ? 'a service' : `of kind ${sidecar.kind}`}, no sidecar; node.id must be the id of a connect-proxy`
      throw new FairleadError('NOT_SUPPORTED', message)
    }
    const named = configuredDataPlane(sidecar)
    if (named !== '' && named !== NAME) {
      const message = `the registration of "${id}" says proxy.config.data_plane = "${named}"; remove it or say "${NAME}"`
      throw new FairleadError('REJECTED', message)
    }
    return sidecar
  }

  #onConfiguration(configuration: SidecarConfiguration): void {
    let resources: XdsResources<EncodedResource>
    try {
      resources = this.#encode(xdsResources(configuration))
    } catch (thrown) {
      // Of one sidecar: the others, and the agent, go on.
      this.#deps.log.error('envoy cannot be told its configuration', { err: thrown })
      this.#stream.fail(toFairleadError(thrown))
      return
    }
    this.#send(this.#session.update(resources))
  }

  #encode(resources: XdsResources): XdsResources<EncodedResource> {
    const before = this.#encoded
    this.#encoded = new Map()
    const encodeAll = (kind: XdsKind): ReadonlyMap<string, EncodedResource> =>
      new Map(
        [...resources[kind]].map(([name, body]) => [
          name,
          this.#encodeOne(before, kind, name, body),
        ]),
      )
    return Object.fromEntries(XDS_KINDS.map((kind) => [kind, encodeAll(kind)])) as Record<
      XdsKind,
      ReadonlyMap<string, EncodedResource>
    >
  }

  #encodeOne(before: EncodedTexts, kind: XdsKind, name: string, body: JsonObject): EncodedResource {
    const text = JSON.stringify(body)
    const key = `${kind} ${name}`
    const known = before.get(key)
    const entry =
      known !== undefined && known.text === text ? known : { text, resource: encodeResource(body) }
    this.#encoded.set(key, entry)
    return entry.resource
  }

  #send(responses: readonly DeltaResponse<EncodedResource>[]): void {
    for (const response of responses) this.#stream.send(response)
  }

  #onVerdict({ kind, names, error }: Verdict): void {
    const known = this.#known
    if (known === undefined) return
    if (error === undefined) {
      known.plane.taken(names, this.#session.isSettled)
      return
    }
    const fix = fixOf(error)
    known.plane.rejected({ resources: names, reason: error, fix, at: this.#deps.clock.wall() })
    this.#deps.log.error('envoy refused its configuration', {
      sidecar: known.sidecarId,
      kind,
      resources: names,
      reason: error,
      fix,
    })
  }

  #onEnd(): void {
    this.#isOver = true
    this.#rightsTimer?.cancel()
    const known = this.#known
    this.#known = undefined
    if (known === undefined) return
    known.claim.release()
    known.forget()
    this.#deps.log.info('envoy left a sidecar', { sidecar: known.sidecarId })
  }
}
