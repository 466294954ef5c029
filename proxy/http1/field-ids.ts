/**
 * The fields a proxy must look at, recognised by length and first letter while a head is parsed.
 *
 * Everything else is forwarded as bytes that nobody reads.
 */

import { equalsIgnoreCase } from './bytes.ts'

export const FIELD_OTHER = 0
export const FIELD_HOST = 1
export const FIELD_CONTENT_LENGTH = 2
export const FIELD_TRANSFER_ENCODING = 3
export const FIELD_CONNECTION = 4
export const FIELD_KEEP_ALIVE = 5
export const FIELD_PROXY_CONNECTION = 6
export const FIELD_TE = 7
export const FIELD_TRAILER = 8
export const FIELD_UPGRADE = 9
export const FIELD_EXPECT = 10
export const FIELD_PROXY_AUTHORIZATION = 11
export const FIELD_PROXY_AUTHENTICATE = 12
export const FIELD_REQUEST_ID = 13
export const FIELD_FORWARDED_PROTO = 14
export const FIELD_CLIENT_CERT = 15
export const FIELD_DATE = 16
export const FIELD_HTTP2_SETTINGS = 17
export const FIELD_SERVICE_TIME = 18
export const FIELD_ERROR_CODE = 19
export const FIELD_GRPC_TIMEOUT = 20
export const FIELD_EXPECTED_TIMEOUT = 21

/** Fields that belong to one hop, in either direction (mesh.md 10.11). */
export const HOP_BY_HOP_MASK =
  (1 << FIELD_TRANSFER_ENCODING) |
  (1 << FIELD_CONNECTION) |
  (1 << FIELD_KEEP_ALIVE) |
  (1 << FIELD_PROXY_CONNECTION) |
  (1 << FIELD_TE) |
  (1 << FIELD_TRAILER) |
  (1 << FIELD_UPGRADE) |
  (1 << FIELD_PROXY_AUTHORIZATION) |
  (1 << FIELD_PROXY_AUTHENTICATE) |
  (1 << FIELD_HTTP2_SETTINGS)

/** Fields that Connection may not name: removing them would change the message or who it is for. */
export const NEVER_HOP_BY_HOP_MASK =
  (1 << FIELD_HOST) |
  (1 << FIELD_CONTENT_LENGTH) |
  (1 << FIELD_EXPECT) |
  (1 << FIELD_CLIENT_CERT) |
  (1 << FIELD_REQUEST_ID)

/** @returns one of the FIELD constants for the name in `bytes[from, to)` */
export function fieldId(bytes: Uint8Array, from: number, to: number): number {
  const first = (bytes[from] as number) | 0x20
  switch (to - from) {
    case 2:
      return is(bytes, from, to, 'te') ? FIELD_TE : FIELD_OTHER
    case 4:
      if (first === 0x68) return is(bytes, from, to, 'host') ? FIELD_HOST : FIELD_OTHER
      return is(bytes, from, to, 'date') ? FIELD_DATE : FIELD_OTHER
    case 6:
      return is(bytes, from, to, 'expect') ? FIELD_EXPECT : FIELD_OTHER
    case 7:
      if (first === 0x74) return is(bytes, from, to, 'trailer') ? FIELD_TRAILER : FIELD_OTHER
      return is(bytes, from, to, 'upgrade') ? FIELD_UPGRADE : FIELD_OTHER
    case 10:
      if (first === 0x63) return is(bytes, from, to, 'connection') ? FIELD_CONNECTION : FIELD_OTHER
      return is(bytes, from, to, 'keep-alive') ? FIELD_KEEP_ALIVE : FIELD_OTHER
    case 12:
      if (first === 0x67) {
        return is(bytes, from, to, 'grpc-timeout') ? FIELD_GRPC_TIMEOUT : FIELD_OTHER
      }
      return is(bytes, from, to, 'x-request-id') ? FIELD_REQUEST_ID : FIELD_OTHER
    case 14:
      if (first === 0x63) {
        return is(bytes, from, to, 'content-length') ? FIELD_CONTENT_LENGTH : FIELD_OTHER
      }
      return is(bytes, from, to, 'http2-settings') ? FIELD_HTTP2_SETTINGS : FIELD_OTHER
    case 16:
      if (first === 0x78)
        return is(bytes, from, to, 'x-fairlead-error') ? FIELD_ERROR_CODE : FIELD_OTHER
      return is(bytes, from, to, 'proxy-connection') ? FIELD_PROXY_CONNECTION : FIELD_OTHER
    case 17:
      if (first === 0x74) {
        return is(bytes, from, to, 'transfer-encoding') ? FIELD_TRANSFER_ENCODING : FIELD_OTHER
      }
      return is(bytes, from, to, 'x-forwarded-proto') ? FIELD_FORWARDED_PROTO : FIELD_OTHER
    case 18:
      return is(bytes, from, to, 'proxy-authenticate') ? FIELD_PROXY_AUTHENTICATE : FIELD_OTHER
    case 19:
      return is(bytes, from, to, 'proxy-authorization') ? FIELD_PROXY_AUTHORIZATION : FIELD_OTHER
    case 23:
      return is(bytes, from, to, 'x-forwarded-client-cert') ? FIELD_CLIENT_CERT : FIELD_OTHER
    case 29:
      return is(bytes, from, to, 'x-envoy-upstream-service-time') ? FIELD_SERVICE_TIME : FIELD_OTHER
    case 30:
      return is(bytes, from, to, 'x-envoy-expected-rq-timeout-ms')
        ? FIELD_EXPECTED_TIMEOUT
        : FIELD_OTHER
    default:
      return FIELD_OTHER
  }
}

const is = equalsIgnoreCase
