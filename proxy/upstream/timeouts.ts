/**
 * Times of mesh.md 10.6 that no configuration sets yet, in ms.
 */

/** From the end of a request to the head of its response: 504. */
export const RESPONSE_TIMEOUT_MS = 15_000
/** An HTTP exchange without a byte in either direction. */
export const STREAM_IDLE_MS = 300_000
/** A raw stream without a byte in either direction. */
export const RAW_IDLE_MS = 3_600_000
