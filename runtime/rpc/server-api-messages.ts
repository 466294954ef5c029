/**
 * What the values inside the envelopes are, method by method; read by both ends. Types only.
 *
 * Adding an optional field is compatible; anything else raises ENVELOPE_VERSION.
 */

import type { CoordinateRecord } from '../../core/catalog/types.ts'
import type { OperatorName } from '../../core/rpc/operator.ts'
import type { ForwardedMethod } from '../../core/rpc/peer-calls.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type { ReadOptions } from '../../core/rpc/server-api.ts'

export interface ReadMessage<N extends ReadName = ReadName> {
  readonly name: N
  readonly request: Reads[N]['request']
  readonly options: Omit<ReadOptions, 'signal'>
}

export interface WriteMessage {
  /** As core/catalog/codec.ts encodes it, with the name of the request when it has one. */
  readonly command: Uint8Array
  readonly datacenter?: string
}

export interface SignLeafMessage {
  readonly csrPem: string
}

export interface RenewSessionMessage {
  readonly id: string
}

export interface PlaceNodeMessage {
  readonly place: CoordinateRecord
}

export interface OperateMessage {
  readonly name: OperatorName
  readonly request: object
}

export interface SaveImageMessage {
  readonly stale: boolean
}

/** A call that one server sends on to another, which never sends it on again. */
export interface ForwardMessage {
  readonly method: ForwardedMethod
  readonly message: unknown
}
