/**
 * Founds a cluster of `bootstrap_expect` servers by agreement, or joins the founding of another server
 * (Raft specification 13.1).
 *
 * The server with the smallest id proposes; everybody accepts at most one proposal, durably; when all have, the
 * proposer decides, durably, and tells all to begin. Guarantees: no two configurations are ever begun under one
 * name, and none without the consent of all in it; a crash at any point is resumed at the next start. A
 * proposal that the view of gossip has overtaken is withdrawn before it is decided, never after. Ends for good
 * once this server belongs to a cluster. What stands in the way is said in the log when it changes.
 */

import { foundingPlan, isOvertaken } from '../../core/cluster/founding-plan.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import { type MemberAddress, votersOnly } from '../../core/raft/configuration.ts'
import type { BootstrapAnswer, BootstrapRequest, PeerCalls } from '../../core/rpc/peer-calls.ts'
import type { Clock } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { FoundingAcceptor } from './founding-acceptor.ts'
import type { Proposal } from './founding-record.ts'
import type { ServerDirectory } from './server-directory.ts'

const ROUND_MS = 500
const CALL_TIMEOUT_MS = 2_000
/** The pool must look the same for so long: views of servers that start together differ for a moment. */
const SETTLED_MS = 500

export interface FoundingOptions {
  readonly nodeId: string
  readonly expect: number
}

export interface FoundingDeps {
  readonly raft: Pick<RaftNodeApi, 'status'>
  readonly acceptor: FoundingAcceptor
  readonly directory: ServerDirectory
  readonly membership: Pick<Membership, 'onChange'>
  readonly calls: Pick<PeerCalls, 'stats' | 'bootstrap'>
  readonly clock: Clock
  readonly log: Logger
  readonly newId: () => string
}

export class Founding {
  readonly #options: FoundingOptions
  readonly #deps: FoundingDeps
  #running: Promise<void> = Promise.resolve()
  #life: AbortController | undefined
  #said = ''

  constructor(options: FoundingOptions, deps: FoundingDeps) {
    this.#options = options
    this.#deps = deps
  }

  start(): void {
    this.#life = new AbortController()
    this.#running = this.#run(this.#life.signal)
  }

  /** Resolves when nothing of it runs any more. Idempotent. */
  async stop(): Promise<void> {
    this.#life?.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, membership, log } = this.#deps
    let changedAt = clock.now()
    const stopListening = membership.onChange(() => {
      changedAt = clock.now()
    })
    try {
      while (!signal.aborted) {
        try {
          if (await this.#isOver(signal)) return
          await this.#round(clock.now() - changedAt >= SETTLED_MS, signal)
        } catch (thrown) {
          if (signal.aborted) return
          log.warn('founding a cluster failed, will try again', { err: toFairleadError(thrown) })
        }
        await clock.sleep(ROUND_MS, signal)
      }
    } catch (reason) {
      if (!signal.aborted) throw reason
    } finally {
      stopListening()
    }
  }

  /** Over when this server belongs to a cluster and, if it founded it, so many have begun that Raft does the rest. */
  async #isOver(signal: AbortSignal): Promise<boolean> {
    const { raft, acceptor } = this.#deps
    const cluster = raft.status().cluster
    if (cluster === null) return false
    const { accepted, isDecided } = acceptor.promises
    if (accepted !== null && isDecided && accepted.clusterId === cluster.clusterId) {
      if (!(await this.#tellAllToBegin(accepted, signal))) return false
    }
    await acceptor.forget()
    return true
  }

  async #round(isSettled: boolean, signal: AbortSignal): Promise<void> {
    const { acceptor, directory } = this.#deps
    const { nodeId, expect } = this.#options
    const { accepted, isDecided } = acceptor.promises
    await this.#withdrawAll(signal)
    const isOwn = accepted?.configuration.incoming[0] === nodeId
    if (accepted !== null && isOwn && isDecided) {
      await this.#begin(accepted, signal)
      return
    }
    const plan = foundingPlan(nodeId, expect, directory.servers())
    if (accepted !== null && !isOwn) {
      this.#say('waiting for the server that founds the cluster', {
        proposer: accepted.configuration.incoming[0],
        file: acceptor.path,
      })
      return
    }
    if (plan.kind === 'conflict') {
      this.#say('no cluster is founded: the servers do not agree', { reason: plan.reason })
      return
    }
    if (plan.kind === 'wait') {
      this.#say('waiting for more servers before a cluster is founded', {
        found: plan.found,
        expect,
      })
    }
    if (!isSettled) return
    if (accepted !== null && isOvertaken(plan, accepted.configuration.addresses)) {
      await acceptor.giveUp(accepted)
      return
    }
    if (plan.kind === 'propose') {
      await this.#propose(accepted ?? this.#proposal(plan.members), signal)
    }
  }

  #proposal(members: readonly MemberAddress[]): Proposal {
    const { expect } = this.#options
    return { clusterId: this.#deps.newId(), expect, configuration: votersOnly(members) }
  }

  async #propose(proposal: Proposal, signal: AbortSignal): Promise<void> {
    const { acceptor, log } = this.#deps
    if (await this.#someClusterExists(proposal, signal)) {
      this.#say('a cluster exists already, waiting to be added to it', {})
      return
    }
    const own = await acceptor.handle({ step: 'accept', ...proposal })
    if (own.kind === 'refused') {
      this.#say('no cluster is founded', { reason: own.reason })
      return
    }
    const answers = await this.#askOthers('accept', proposal, signal)
    for (const { id, answer } of answers) {
      if (answer?.kind !== 'refused') continue
      this.#say('a server does not agree to the cluster', { peer: id, reason: answer.reason })
    }
    if (!answers.every(({ answer }) => isConsent(answer))) return
    await acceptor.decide(proposal)
    log.info('all servers agree, the cluster begins', {
      cluster: proposal.clusterId,
      servers: proposal.expect,
    })
    await this.#begin(proposal, signal)
  }

  async #begin(proposal: Proposal, signal: AbortSignal): Promise<void> {
    await this.#tellAllToBegin(proposal, signal)
    await this.#deps.acceptor.handle({ step: 'begin', ...proposal })
  }

  /** @returns true when, with this server, most have begun */
  async #tellAllToBegin(proposal: Proposal, signal: AbortSignal): Promise<boolean> {
    const answers = await this.#askOthers('begin', proposal, signal)
    const begun = 1 + answers.filter(({ answer }) => answer?.kind === 'begun').length
    return begun > proposal.expect / 2
  }

  async #withdrawAll(signal: AbortSignal): Promise<void> {
    const { acceptor } = this.#deps
    for (const proposal of acceptor.promises.withdrawn) {
      const answers = await this.#askOthers('withdraw', proposal, signal)
      // A refusal means that it belongs to a cluster, or has promised this one nothing.
      if (answers.every(({ answer }) => answer !== undefined)) await acceptor.hasWithdrawn(proposal)
    }
  }

  async #someClusterExists(proposal: Proposal, signal: AbortSignal): Promise<boolean> {
    const found = await this.#ofOthers(proposal, signal, async (address, ended) => {
      const { cluster } = await this.#deps.calls.stats(address, ended)
      return cluster !== null && cluster.clusterId !== proposal.clusterId
    })
    return found.some(({ answer }) => answer === true)
  }

  #askOthers(step: BootstrapRequest['step'], proposal: Proposal, signal: AbortSignal) {
    return this.#ofOthers<BootstrapAnswer>(proposal, signal, (address, ended) =>
      this.#deps.calls.bootstrap(address, { step, ...proposal }, ended),
    )
  }

  /** @returns one entry for each other member; without an answer when it gave none in time */
  async #ofOthers<T>(
    { configuration }: Proposal,
    signal: AbortSignal,
    ask: (address: string, signal: AbortSignal) => Promise<T>,
  ): Promise<readonly { readonly id: string; readonly answer: T | undefined }[]> {
    const { clock, directory, log } = this.#deps
    const late = new AbortController()
    const timer = clock.timer(instant(clock.now() + CALL_TIMEOUT_MS), () =>
      late.abort(new FairleadError('NO_SERVERS', 'The server did not answer in time')),
    )
    const ended = AbortSignal.any([signal, late.signal])
    try {
      const others = configuration.addresses.filter(({ id }) => id !== this.#options.nodeId)
      return await Promise.all(
        others.map(async ({ id, address }) => {
          try {
            return { id, answer: await ask(directory.addressOf(id) ?? address, ended) }
          } catch (err) {
            log.debug('a server did not answer about founding a cluster', { peer: id, err })
            return { id, answer: undefined }
          }
        }),
      )
    } finally {
      timer.cancel()
    }
  }

  /** Once, until there is something else to say. */
  #say(message: string, facts: Readonly<Record<string, unknown>>): void {
    const said = `${message} ${JSON.stringify(facts)}`
    if (said === this.#said) return
    this.#said = said
    this.#deps.log.info(message, facts)
  }
}

function isConsent(answer: BootstrapAnswer | undefined): boolean {
  return answer?.kind === 'accepted' || answer?.kind === 'begun'
}
