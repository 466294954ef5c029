/**
 * The local API of a server on the Raft and store of a test, alone or as a follower that sends calls on.
 */

import { AUTOPILOT_DEFAULTS } from '../../../../core/autopilot/defaults.ts'
import type { CoordinateRecord } from '../../../../core/catalog/types.ts'
import { FairleadError } from '../../../../core/errors.ts'
import type { PeerCalls } from '../../../../core/rpc/peer-calls.ts'
import { RequestNames } from '../../../../core/rpc/request-names.ts'
import { LeaderActs } from '../../../../server/api/leader-acts.ts'
import { LeaderCalls } from '../../../../server/api/leader-calls.ts'
import { LocalServerApi } from '../../../../server/api/local-server-api.ts'
import { OperatorActs } from '../../../../server/api/operator-acts.ts'
import { raftConfigurationView } from '../../../../server/api/raft-view.ts'
import { StateImages } from '../../../../server/api/state-images.ts'
import type { RaftNodeApi } from '../../../../server/raft/types.ts'
import type { RaftAndStore } from '../raft-and-store.ts'

export const HOLD_MS = 7000

export interface ApiOptions {
  readonly nodeId?: string
  readonly raft?: RaftNodeApi
  readonly forward?: PeerCalls['forward']
  readonly defaultRead?: 'quorum' | 'lease'
  readonly placeNode?: (place: CoordinateRecord) => void
  readonly touchSession?: (session: { readonly id: string }) => void
}

export function apiOf(base: RaftAndStore, options: ApiOptions = {}): LocalServerApi {
  const { nodeId = 's1', raft = base.raft } = options
  const addressOf = (id: string): string => `${id}:8300`
  const configuration = () => raftConfigurationView(raft.status(), nodeId, (id) => `node-${id}`)
  const forward = options.forward ?? nowhere
  const operator = new OperatorActs({
    raft,
    configuration,
    acl: undefined,
    join: { authorities: () => [], redeem: () => Promise.reject(new Error('nobody joins')) },
    autopilot: {
      config: () => ({ ...AUTOPILOT_DEFAULTS, createIndex: 1, modifyIndex: 1 }),
      setConfig: async () => true,
      state: () => Promise.reject(new FairleadError('NO_LEADER', 'No cluster leader')),
    },
  })
  return new LocalServerApi(
    {
      datacenter: 'dc1',
      nodeId,
      holdMs: HOLD_MS,
      defaultRead: options.defaultRead ?? 'quorum',
    },
    {
      store: base.store,
      raft,
      leader: new LeaderCalls({ nodeId }, { raft, calls: { forward }, addressOf }),
      acts: new LeaderActs({
        raft,
        store: base.store,
        writer: base.writer,
        signLeaf: async () => {
          throw new FairleadError('BUSY', 'CA is uninitialized')
        },
        configureCa: async () => {},
        placeNode: options.placeNode ?? (() => {}),
        touchSession: options.touchSession ?? (() => {}),
        operate: (name, request) => operator.run(name, request),
      }),
      images: new StateImages({ stateMachine: base.stateMachine, raft, configuration }),
      names: new RequestNames({ nodeId, boot: 'boot-1' }),
      clock: base.clock,
      rng: base.rng,
      newId: () => 'id',
      addressOf,
    },
  )
}

async function nowhere(address: string): Promise<never> {
  throw new FairleadError('NO_LEADER', `Nobody is at ${address}`)
}
