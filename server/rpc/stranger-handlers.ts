/**
 * What callers without a certificate may ask of a server that demands one: a certificate, or to join by a token.
 *
 * Guarantees: only the certificate of an agent is signed, and only where `auto_encrypt.allow_tls` says so; whether the
 * caller may be that agent is decided by his token, as for everybody (server/acl/). All else is refused by name.
 */

import { FairleadError } from '../../core/errors.ts'
import { parseSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { OperatorName } from '../../core/rpc/operator.ts'
import { parseCsr } from '../../runtime/pki/csr.ts'
import { NOT_PROVEN, type RpcHandlers, refusedHandlers } from '../../runtime/rpc/rpc-host.ts'
import type { OperateMessage, SignLeafMessage } from '../../runtime/rpc/server-api-messages.ts'

export interface StrangerRules {
  readonly givesCertificates: boolean
}

export function strangerHandlers(
  handlers: RpcHandlers,
  { givesCertificates }: StrangerRules,
): RpcHandlers {
  return {
    ...refusedHandlers(NOT_PROVEN),
    // A host that joins; it brings a secret.
    operate: async (request, signal, secret) => {
      const { name } = request as Partial<OperateMessage>
      if (name === undefined || !JOINING.has(name)) throw notProven()
      return handlers.operate(request, signal, secret)
    },
    signLeaf: async (request, signal, secret) => {
      if (!givesCertificates) {
        throw new FairleadError(
          'PERMISSION_DENIED',
          'Permission denied: this server gives agents no certificates; set auto_encrypt.allow_tls on the servers',
        )
      }
      const csrPem = (request as Partial<SignLeafMessage> | null)?.csrPem
      if (typeof csrPem === 'string' && !(await isForAgent(csrPem))) throw notProven()
      return handlers.signLeaf(request, signal, secret)
    },
  }
}

const JOINING: ReadonlySet<OperatorName> = new Set(['join.authorities', 'join.redeem'])

async function isForAgent(csrPem: string): Promise<boolean> {
  const id = parseSpiffeUri((await parseCsr(csrPem)).uri)
  return !('error' in id) && id.kind === 'agent'
}

function notProven(): FairleadError {
  return new FairleadError('PERMISSION_DENIED', NOT_PROVEN)
}
