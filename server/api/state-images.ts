/**
 * Images of the whole replicated state, for backups (http-api.md 21).
 *
 * Guarantees: an image is of one moment, whatever is written while it is read; reading it gives way to the
 * event loop between chunks.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RaftConfigurationView, StateImage } from '../../core/rpc/operator.ts'
import type { RaftStateMachine, RaftStatus } from '../raft/types.ts'

export interface StateImagesDeps {
  readonly stateMachine: Pick<RaftStateMachine, 'snapshot'>
  readonly raft: { status(): Pick<RaftStatus, 'term'> }
  readonly configuration: () => RaftConfigurationView
}

export class StateImages {
  readonly #deps: StateImagesDeps

  constructor(deps: StateImagesDeps) {
    this.#deps = deps
  }

  save(): StateImage {
    const { stateMachine, raft, configuration } = this.#deps
    const snapshot = stateMachine.snapshot()
    return {
      index: snapshot.lastIndex,
      term: raft.status().term,
      configuration: configuration(),
      chunks: yielding(snapshot.image()),
    }
  }
}

async function* yielding(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk
    await nextTurn()
  }
}
