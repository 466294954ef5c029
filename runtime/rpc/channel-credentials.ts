/**
 * How grpc-js is told to speak to a server: in clear, or TLS with our certificates and our judgement of its name.
 */

import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js'
import type { OutgoingTls } from '../tls/rpc-tls.ts'
import type { GrpcLibrary } from './grpc-library.ts'

export function credentialsFor(
  grpc: GrpcLibrary,
  tls: OutgoingTls | undefined,
): ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure()
  return grpc.credentials.createFromSecureContext(tls.context, {
    checkServerIdentity: tls.checkIdentity,
    rejectUnauthorized: tls.isUnchecked !== true,
  })
}

/** Servers are dialled by address; the name they are to prove is another. */
export function channelOptionsFor(tls: OutgoingTls | undefined): ChannelOptions {
  return tls === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }
}
