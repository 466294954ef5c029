/**
 * The body of POST /v1/discovery-chain/:service: what the asker wants otherwise (http-api.md 22.6).
 */

import { type ChainOverrides, NO_OVERRIDES } from '../../../core/chain/compile.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { durationMs, string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { NS_PER_MS } from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'

const NO_GATEWAY = { mode: '' }

const BODY = object(
  'Overrides',
  {
    protocol: field('OverrideProtocol', string, '', { alias: 'override_protocol' }),
    connectTimeoutMs: field('OverrideConnectTimeout', durationMs, 0, {
      alias: 'override_connect_timeout',
    }),
    meshGateway: field(
      'OverrideMeshGateway',
      object('MeshGateway', { mode: field('Mode', string, '') }),
      NO_GATEWAY,
      { alias: 'override_mesh_gateway' },
    ),
  },
  { unknownFields: 'ignore' },
)

const MODES: ReadonlySet<string> = new Set(['', 'none', 'local', 'remote'])

/** @throws FairleadError BAD_REQUEST */
export function chainOverrides(body: string): ChainOverrides {
  if (body.trim() === '') return NO_OVERRIDES
  const { protocol, connectTimeoutMs, meshGateway } = decoded(body)
  if (!MODES.has(meshGateway.mode)) {
    throw new FairleadError('BAD_REQUEST', 'Invalid OverrideMeshGateway.Mode parameter')
  }
  if (connectTimeoutMs < 0) {
    throw new FairleadError('BAD_REQUEST', 'OverrideConnectTimeout cannot be negative')
  }
  return {
    protocol: protocol.toLowerCase(),
    connectTimeoutNs: Math.round(connectTimeoutMs * NS_PER_MS),
    meshGatewayMode: meshGateway.mode,
  }
}

function decoded(body: string) {
  try {
    return decodeBody(BODY, body)
  } catch (thrown) {
    const reason = thrown instanceof FairleadError ? thrown.message : String(thrown)
    const message = reason.replace(/^Request decode failed/, 'Request decoding failed')
    throw new FairleadError('BAD_REQUEST', message, { cause: thrown })
  }
}
