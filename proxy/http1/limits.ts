/**
 * Bounds of HTTP/1 messages; what happens at each is said beside it (mesh.md 10.11).
 */

/** Request or status line and all fields together; beyond it 431 (request) or 502 (response). */
export const HEAD_BYTES_MAX = 60 * 1024
/** Fields of one head; beyond it 431 or 502. */
export const HEAD_FIELDS_MAX = 100
/** Method or target; beyond it 414. */
export const REQUEST_LINE_BYTES_MAX = 16 * 1024
/** Empty lines skipped before a request line (RFC 9112 2.2); one more is 400. */
export const LEADING_LINES_MAX = 2
/** A chunk's size with its extensions; beyond it 400. Extensions are not forwarded. */
export const CHUNK_LINE_BYTES_MAX = 1024
/** All chunk extensions of one message together; beyond it 400. */
export const CHUNK_EXTENSION_BYTES_MAX = 16 * 1024
/** The trailer section; beyond it 400. */
export const TRAILER_BYTES_MAX = 8 * 1024
/** Names of fields listed in Connection; beyond it 400. */
export const CONNECTION_OPTIONS_MAX = 16
/** 1xx replies to one request; beyond it the server is taken for broken (502). */
export const INTERIM_RESPONSES_MAX = 16
