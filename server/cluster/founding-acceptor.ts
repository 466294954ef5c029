/**
 * The promises of one server about founding a cluster, and its answers to those who propose one
 * (Raft specification 13.1).
 *
 * Guarantees: at most one proposal is accepted at a time, durably before the answer; it is let go only when its
 * proposer withdraws it; Raft begins only what was accepted. Requests are answered one after the other. A
 * server whose log is not empty, or that belongs to a cluster, accepts nothing any more.
 */

import { FairleadError } from '../../core/errors.ts'
import { configurationFault } from '../../core/raft/configuration.ts'
import type { BootstrapAnswer, BootstrapRequest } from '../../core/rpc/peer-calls.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import {
  type FoundingPromises,
  type FoundingRecord,
  NO_PROMISES,
  type Proposal,
  WITHDRAWN_MAX,
} from './founding-record.ts'

export interface FoundingAcceptorOptions {
  readonly nodeId: string
  /** 0 waits to be added to a cluster, 1 elects itself: both accept nothing. */
  readonly expect: number
}

export interface FoundingAcceptorDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'bootstrap'>
  readonly record: Pick<FoundingRecord, 'load' | 'save' | 'remove' | 'path'>
}

export class FoundingAcceptor {
  readonly #options: FoundingAcceptorOptions
  readonly #deps: FoundingAcceptorDeps
  #promises: FoundingPromises = NO_PROMISES
  /** Each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: FoundingAcceptorOptions, deps: FoundingAcceptorDeps) {
    this.#options = options
    this.#deps = deps
  }

  get promises(): FoundingPromises {
    return this.#promises
  }

  /** Where the promises are kept, for the log. */
  get path(): string {
    return this.#deps.record.path
  }

  /** To be called once, before anything else. @throws FairleadError STORAGE_FAILED | STORAGE_CORRUPT */
  async load(): Promise<void> {
    this.#promises = await this.#deps.record.load()
  }

  handle(request: BootstrapRequest): Promise<BootstrapAnswer> {
    return this.#inTurn(async () => {
      const { cluster } = this.#deps.raft.status()
      if (cluster?.clusterId === request.clusterId) return { kind: 'begun' }
      switch (request.step) {
        case 'accept':
          return this.#accept(request)
        case 'begin':
          return this.#begin(request)
        case 'withdraw':
          return this.#release(request)
      }
    })
  }

  /** All have accepted this server's own proposal: from here on it can only begin. */
  decide(proposal: Proposal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#promises.accepted?.clusterId !== proposal.clusterId) {
        throw new FairleadError('BUSY', 'The proposal of a cluster was withdrawn meanwhile')
      }
      await this.#save({ ...this.#promises, isDecided: true })
    })
  }

  /** Withdraws this server's own proposal, unless it is decided. */
  giveUp(proposal: Proposal): Promise<void> {
    return this.#inTurn(async () => {
      const { accepted, isDecided, withdrawn } = this.#promises
      if (isDecided || accepted?.clusterId !== proposal.clusterId) return
      if (withdrawn.length >= WITHDRAWN_MAX) return
      await this.#save({ accepted: null, isDecided: false, withdrawn: [...withdrawn, proposal] })
    })
  }

  /** Everybody knows that it is withdrawn. */
  hasWithdrawn(proposal: Proposal): Promise<void> {
    return this.#inTurn(async () => {
      const withdrawn = this.#promises.withdrawn.filter(
        (other) => other.clusterId !== proposal.clusterId,
      )
      await this.#save({ ...this.#promises, withdrawn })
    })
  }

  /** This server belongs to a cluster: promises have no meaning any more. */
  forget(): Promise<void> {
    return this.#inTurn(async () => {
      this.#promises = NO_PROMISES
      await this.#deps.record.remove()
    })
  }

  async #accept(request: BootstrapRequest): Promise<BootstrapAnswer> {
    const reason = this.#refusal(request)
    if (reason !== null) return { kind: 'refused', reason }
    const { clusterId, expect, configuration } = request
    if (this.#promises.accepted === null) {
      const accepted = { clusterId, expect, configuration }
      await this.#save({ ...this.#promises, accepted })
    }
    return { kind: 'accepted' }
  }

  #refusal(request: BootstrapRequest): string | null {
    const { nodeId, expect } = this.#options
    const { configuration } = request
    const { cluster, lastLogIndex } = this.#deps.raft.status()
    const accepted = this.#promises.accepted
    if (cluster !== null) return `it belongs to the cluster "${cluster.clusterId}" already`
    if (lastLogIndex > 0) return 'its log is not empty'
    if (expect <= 1) return 'it does not take part in founding a cluster (bootstrap_expect)'
    if (request.expect !== expect) return `it expects ${expect} servers, not ${request.expect}`
    const fault = configurationFault(configuration)
    if (fault !== null) return fault
    if (configuration.incoming.length !== expect || configuration.addresses.length !== expect) {
      return `the cluster does not have exactly ${expect} voters`
    }
    if (!configuration.incoming.some((id) => id === nodeId)) return 'it is not one of the servers'
    if (accepted === null || accepted.clusterId === request.clusterId) return null
    return `it has agreed to the cluster of "${accepted.configuration.incoming[0]}" already`
  }

  async #begin({ clusterId }: BootstrapRequest): Promise<BootstrapAnswer> {
    const { accepted } = this.#promises
    if (accepted === null || accepted.clusterId !== clusterId) {
      return { kind: 'refused', reason: 'it has not agreed to this cluster' }
    }
    await this.#deps.raft.bootstrap({ clusterId, members: accepted.configuration.addresses })
    return { kind: 'begun' }
  }

  async #release({ clusterId }: BootstrapRequest): Promise<BootstrapAnswer> {
    const { accepted, isDecided } = this.#promises
    if (accepted?.clusterId === clusterId) {
      if (isDecided) return { kind: 'refused', reason: 'the cluster is decided' }
      await this.#save({ ...this.#promises, accepted: null })
    }
    return { kind: 'withdrawn' }
  }

  async #save(promises: FoundingPromises): Promise<void> {
    await this.#deps.record.save(promises)
    this.#promises = promises
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
