/**
 * The sidecars of this host for the HTTP API: who serves each, how that goes, and the claim of a data plane that asks here.
 */

import type { ServiceDefinition } from '../../core/catalog/types.ts'
import { localProxies } from '../../core/mesh/demand.ts'
import type { LocalStateApi } from '../local/types.ts'
import type { DataPlaneState, DataPlanes, Rejection } from './data-planes.ts'
import type { MeshController } from './mesh-controller.ts'
import type { ProxySupervisor } from './proxy-supervisor.ts'
import { configuredDataPlane, OWN_DATA_PLANE } from './sidecar-claims.ts'

export interface SidecarState
  extends Pick<DataPlaneState, 'sidecarId' | 'service' | 'dataPlane' | 'program'> {
  /** `absent`: it is left to a data plane that is not connected. */
  readonly state: DataPlaneState['state'] | 'absent'
  /** Undefined for our own proxy, and for one that is absent. */
  readonly since: number | undefined
  readonly rejections: readonly Omit<Rejection, 'at'>[]
}

export interface SidecarApiDeps {
  readonly local: LocalStateApi
  readonly supervisor: Pick<ProxySupervisor, 'problems' | 'pid'>
  readonly controller: Pick<MeshController, 'servedElsewhere'>
  readonly dataPlanes: DataPlanes
}

export class SidecarApi {
  readonly #deps: SidecarApiDeps

  constructor(deps: SidecarApiDeps) {
    this.#deps = deps
  }

  /** Of every sidecar, by id; more than one where several data planes serve it. */
  states(): readonly SidecarState[] {
    const { local, controller, dataPlanes } = this.#deps
    const services = [...local.services().values()].map((entry) => entry.service)
    const elsewhere = controller.servedElsewhere(services)
    const connected = dataPlanes.states()
    return localProxies(services).flatMap((sidecar): readonly SidecarState[] => {
      const planes = connected.filter((plane) => plane.sidecarId === sidecar.id)
      if (planes.length > 0) return planes
      return [elsewhere.has(sidecar.id) ? absent(sidecar) : this.#own(sidecar)]
    })
  }

  #own(sidecar: ServiceDefinition): SidecarState {
    const { supervisor } = this.#deps
    const prefix = `upstream:${sidecar.id}:`
    const problems = supervisor.problems.filter(
      ({ listenerId }) => listenerId === sidecar.id || listenerId.startsWith(prefix),
    )
    const state = supervisor.pid === undefined ? 'pending' : 'current'
    return {
      ...factsOf(sidecar),
      dataPlane: OWN_DATA_PLANE,
      state: problems.length > 0 ? 'rejected' : state,
      rejections: problems.map(({ bind, message }) => ({
        resources: [bind],
        reason: message,
        fix: 'free the address, or register the sidecar or its upstream with another one',
      })),
    }
  }
}

function absent(sidecar: ServiceDefinition): SidecarState {
  const named = configuredDataPlane(sidecar)
  return { ...factsOf(sidecar), dataPlane: named, state: 'absent', rejections: [] }
}

function factsOf(sidecar: ServiceDefinition) {
  const service = sidecar.proxy?.destinationServiceName ?? ''
  return { sidecarId: sidecar.id, service, program: '', since: undefined }
}
