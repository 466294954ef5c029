/**
 * Handlers of an RPC host for tests: those that a test gives, and refusals for the rest.
 */

import { FairleadError } from '../../../../core/errors.ts'
import type { RpcHandlers } from '../../../../runtime/rpc/rpc-host.ts'

export function rpcHandlers(some: Partial<RpcHandlers> = {}): RpcHandlers {
  const none = async (): Promise<never> => {
    throw new FairleadError('NOT_SUPPORTED', 'Not part of this test')
  }
  return {
    read: none,
    write: none,
    signLeaf: none,
    renewSession: none,
    placeNode: none,
    status: none,
    operate: none,
    saveImage: async function* () {},
    restoreImage: none,
    ...some,
  }
}
