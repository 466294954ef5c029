/**
 * Who serves the sidecars of this host, and whether they took what they were told: for `fairlead proxy status`.
 *
 * One entry for each connected data plane. Bounds: REJECTIONS_MAX refused answers are kept of each, the newest.
 */

import type { WallTime } from '../../core/time.ts'

const REJECTIONS_MAX = 16

export interface Rejection {
  /** Names of what was refused. */
  readonly resources: readonly string[]
  readonly reason: string
  /** What to do about it. */
  readonly fix: string
  readonly at: WallTime
}

export interface DataPlaneState {
  readonly sidecarId: string
  readonly service: string
  /** `envoy`, `haproxy`, `nginx`. */
  readonly dataPlane: string
  /** With its version, as it says. */
  readonly program: string
  readonly since: WallTime
  /** `pending`: it has not answered yet, or there is nothing to tell it. */
  readonly state: 'pending' | 'current' | 'rejected'
  readonly rejections: readonly Rejection[]
}

export class DataPlane {
  readonly #facts: Omit<DataPlaneState, 'state' | 'rejections'>
  #isCurrent = false
  #rejections: readonly Rejection[] = []

  constructor(facts: Omit<DataPlaneState, 'state' | 'rejections'>) {
    this.#facts = facts
  }

  get state(): DataPlaneState {
    const isRejected = this.#rejections.length > 0
    const state = isRejected ? 'rejected' : this.#isCurrent ? 'current' : 'pending'
    return { ...this.#facts, state, rejections: this.#rejections }
  }

  /** @param isCurrent all that it was told has been taken */
  taken(resources: readonly string[], isCurrent: boolean): void {
    this.#isCurrent = isCurrent
    const isSettled = (rejection: Rejection): boolean =>
      rejection.resources.every((name) => resources.includes(name))
    this.#rejections = this.#rejections.filter((rejection) => !isSettled(rejection))
  }

  rejected(rejection: Rejection): void {
    this.#isCurrent = false
    this.#rejections = [...this.#rejections, rejection].slice(-REJECTIONS_MAX)
  }
}

export class DataPlanes {
  readonly #connected = new Set<DataPlane>()

  connected(plane: DataPlane): () => void {
    this.#connected.add(plane)
    return () => void this.#connected.delete(plane)
  }

  states(): readonly DataPlaneState[] {
    return [...this.#connected].map((plane) => plane.state)
  }
}
