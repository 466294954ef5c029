/**
 * What operators may ask of the leader: Raft's membership, the leadership itself, autopilot (http-api.md 20).
 *
 * Guarantees: a change that would break a rule of Raft's or cost the quorum is refused with REJECTED and
 * changes nothing. Does not ask who may (server/acl/ does).
 */

import { aclDisabled } from '../../core/acl/denial.ts'
import type {
  AutopilotConfig,
  AutopilotSettings,
  AutopilotState,
} from '../../core/autopilot/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { OperatorCalls, OperatorName, RaftConfigurationView } from '../../core/rpc/operator.ts'
import type { AclActs } from '../acl/acl-acts.ts'
import type { JoinActs } from '../join/join-acts.ts'
import type { RaftNodeApi } from '../raft/types.ts'

export interface OperatorActsDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'changeMembers' | 'transferLeadership'>
  readonly configuration: () => RaftConfigurationView
  readonly autopilot: {
    config(): AutopilotConfig
    /** @returns false when `cas` is not the present modify index */
    setConfig(config: AutopilotSettings, cas: number | undefined): Promise<boolean>
    /** Judged now, with what is known of the servers. */
    state(): Promise<AutopilotState>
  }
  /** Absent without access control. */
  readonly acl: Pick<AclActs, 'bootstrap' | 'login'> | undefined
  readonly join: Pick<JoinActs, 'authorities' | 'redeem'>
}

type Acts = {
  readonly [N in OperatorName]: (
    request: OperatorCalls[N]['request'],
  ) => Promise<OperatorCalls[N]['reply']>
}

export class OperatorActs {
  readonly #deps: OperatorActsDeps
  readonly #acts: Acts

  constructor(deps: OperatorActsDeps) {
    this.#deps = deps
    this.#acts = {
      'raft.configuration': async () => deps.configuration(),
      'raft.remove-peer': (request) => this.#removePeer(request),
      'raft.transfer-leader': (request) => this.#transfer(request.id),
      'autopilot.config': async () => deps.autopilot.config(),
      'autopilot.config.set': ({ config, cas }) => deps.autopilot.setConfig(config, cas),
      'autopilot.state': () => deps.autopilot.state(),
      'acl.bootstrap': (request) => this.#aclOrRefuse().bootstrap(request),
      'acl.login': (request) => this.#aclOrRefuse().login(request),
      'join.authorities': async () => deps.join.authorities(),
      'join.redeem': (request) => deps.join.redeem(request),
      // Of a caller: answered where he is known (server/acl/).
      'acl.logout': () => Promise.reject(aclDisabled()),
    }
  }

  run<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
  ): Promise<OperatorCalls[N]['reply']> {
    return this.#acts[name](request)
  }

  #aclOrRefuse(): Pick<AclActs, 'bootstrap' | 'login'> {
    if (this.#deps.acl === undefined) throw aclDisabled()
    return this.#deps.acl
  }

  async #removePeer(request: OperatorCalls['raft.remove-peer']['request']): Promise<null> {
    const { addresses } = this.#deps.raft.status().configuration
    const wanted = 'id' in request ? request.id : request.address
    const found = addresses.find(({ id, address }) =>
      'id' in request ? id === wanted : address === wanted,
    )
    if (found === undefined) {
      const field = 'id' in request ? 'id' : 'address'
      throw new FairleadError(
        'REJECTED',
        `${field} ${JSON.stringify(wanted)} was not found in the Raft configuration`,
      )
    }
    await this.#deps.raft.changeMembers({
      kind: 'simple',
      change: { kind: 'remove', id: found.id },
    })
    return null
  }

  async #transfer(id: string | undefined): Promise<null> {
    await this.#deps.raft.transferLeadership(id)
    return null
  }
}
