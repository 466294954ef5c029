/**
 * What the peer of an HTTP/2 connection has set (RFC 9113 6.5.2).
 */

import {
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  HEADER_TABLE_BYTES,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_FRAME_SIZE,
  STREAMS_MAX,
  WINDOW_DEFAULT,
  WINDOW_SIZE_MAX,
} from './format.ts'

const FRAME_SIZE_LIMIT = 0xffffff
const SETTING_BYTES = 6

export class PeerSettings {
  initialWindow = WINDOW_DEFAULT
  /** Streams that it takes at once; never more than we want to open. */
  streamsMax = STREAMS_MAX
  headerTableBytes = HEADER_TABLE_BYTES

  /** @param bytes whole settings. @returns the error code of the first that cannot be, or NO_ERROR */
  read(bytes: Buffer, from: number, to: number, isClient: boolean): number {
    for (let at = from; at < to; at += SETTING_BYTES) {
      const value = bytes.readUInt32BE(at + 2)
      const code = this.#set(bytes.readUInt16BE(at), value, isClient)
      if (code !== NO_ERROR) return code
    }
    return NO_ERROR
  }

  #set(id: number, value: number, isClient: boolean): number {
    switch (id) {
      case SETTING_HEADER_TABLE_SIZE:
        this.headerTableBytes = value
        return NO_ERROR
      case SETTING_ENABLE_PUSH:
        // Only clients may want it; we never push.
        return value === 0 || (value === 1 && isClient) ? NO_ERROR : PROTOCOL_ERROR
      case SETTING_MAX_CONCURRENT_STREAMS:
        this.streamsMax = Math.min(value, STREAMS_MAX)
        return NO_ERROR
      case SETTING_INITIAL_WINDOW_SIZE:
        if (value > WINDOW_SIZE_MAX) return FLOW_CONTROL_ERROR
        this.initialWindow = value
        return NO_ERROR
      case SETTING_MAX_FRAME_SIZE:
        // Ours are never larger than the smallest that a peer must take.
        return value >= FRAME_BYTES_MAX && value <= FRAME_SIZE_LIMIT ? NO_ERROR : PROTOCOL_ERROR
      default:
        return NO_ERROR
    }
  }
}
