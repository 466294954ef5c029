/**
 * The Raft service of proto/raft.proto as grpc-js wants it, and dialling it at another server.
 *
 * Messages are opaque bytes here: the codecs are called by who uses the streams, so that a bad frame is
 * our error and not the library's. Every dial is a connection of its own, which is what keeps lanes apart
 * (specification 3). Bounds: FRAME_BYTES_MAX a message; a dial is given up after CONNECT_TIMEOUT_MS; a
 * peer that is gone without a word is found within KEEPALIVE_MS + KEEPALIVE_TIMEOUT_MS.
 */

import type { Client } from '@grpc/grpc-js'
import type { Clock } from '../../core/time.ts'
import { Raft } from '../../proto/gen/raft_pb.ts'
import type { OutgoingTls } from '../tls/rpc-tls.ts'
import { type ByteStream, clientStream } from './byte-stream.ts'
import { channelOptionsFor, credentialsFor } from './channel-credentials.ts'
import { waitUntilReady } from './channel-state.ts'
import { loadGrpc } from './grpc-library.ts'
import { FRAME_BYTES_MAX } from './raft-frame.ts'

/** `append` for what may be large, `signal` for what is small and urgent, `image` for images. */
export type RaftLane = 'append' | 'signal' | 'image'

const CONNECT_TIMEOUT_MS = 2_000
/** Short, for a connection that hangs after a partition would wait long for TCP's next attempt. */
const KEEPALIVE_MS = 1_000
const KEEPALIVE_TIMEOUT_MS = 3_000
/** What a peer may send ahead on one stream, so that a megabyte does not wait for round trips. */
const FLOW_CONTROL_WINDOW_BYTES = 1024 * 1024

const opaque = {
  requestStream: true,
  responseStream: true,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const

export const RAFT_SERVICE: Readonly<
  Record<RaftLane, typeof opaque & { readonly path: string; readonly originalName: string }>
> = {
  append: { ...opaque, path: pathOf('append'), originalName: 'append' },
  signal: { ...opaque, path: pathOf('signal'), originalName: 'signal' },
  image: { ...opaque, path: pathOf('image'), originalName: 'image' },
}

/** What takes the streams that others dial. */
export type RaftStreams = (lane: RaftLane, stream: ByteStream) => void

export interface DialledStream {
  readonly stream: ByteStream
  /** Cuts the connection. Idempotent. */
  close(): void
}

/**
 * Connects and opens a stream; the other side may still refuse it.
 *
 * @param address `host:port`; an IP address is not looked up
 * @throws FairleadError NO_SERVERS, or the abort reason
 */
export async function dialRaft(
  address: string,
  lane: RaftLane,
  options: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly tls?: OutgoingTls | undefined
  },
): Promise<DialledStream> {
  const { clock, signal, tls } = options
  const grpc = await loadGrpc()
  signal.throwIfAborted()
  const client: Client = new grpc.Client(address, credentialsFor(grpc, tls), {
    ...channelOptionsFor(tls),
    // Never shares a connection with another dial of the same address.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': FRAME_BYTES_MAX,
    'grpc.max_send_message_length': FRAME_BYTES_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
  })
  try {
    await waitUntilReady(grpc, client, {
      deadline: clock.wall() + CONNECT_TIMEOUT_MS,
      address,
      signal,
      isTls: tls !== undefined,
    })
    const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE[lane]
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    return { stream: clientStream(call), close: () => client.close() }
  } catch (thrown) {
    client.close()
    throw thrown
  }
}

function pathOf(lane: RaftLane): string {
  return `/${Raft.typeName}/${Raft.method[lane].name}`
}
