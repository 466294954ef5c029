/**
 * The bytes of `fairlead-mux/1` (docs/reference/mux.md): frame kinds, limits, codes.
 *
 * A frame is eight bytes of header and a payload: kind (1), flags (1), payload length (2), exchange id (4),
 * all big-endian. Ids are counted up by the client from 1; 0 is the connection itself.
 */

export const MUX_ALPN = 'fairlead-mux/1'
export const MUX_VERSION = 1

export const FRAME_HEADER_BYTES = 8

/** First frame of each side: version (1), zero (3), exchanges at most (4), initial window (4). */
export const HELLO = 1
/** Opens an HTTP exchange: a request head. END: no body. */
export const REQUEST = 2
/** A response head, interim ones before the final. END: no body. */
export const RESPONSE = 3
/** Body or stream bytes. END: nothing follows in this direction. */
export const DATA = 4
/** Trailer fields; always END. */
export const TRAILERS = 5
/** Room for so many more bytes (4). */
export const WINDOW = 6
/** Ends an exchange in both directions: code (4). */
export const RESET = 7
/** Opens a raw TCP stream. */
export const OPEN = 8
/** Eight bytes that come back in PONG. */
export const PING = 9
export const PONG = 10
/** No new exchanges: code (4), last id that is handled (4). */
export const GOAWAY = 11
/** As REQUEST, from a caller that speaks HTTP/2. */
export const REQUEST_HTTP2 = 12
export const KIND_MAX = 12

export const FLAG_END = 1

/** Payload of one DATA frame at most; a larger body takes several, so that others get their turn. */
export const DATA_BYTES_MAX = 16 * 1024
export const HELLO_BYTES = 12
/** What each side may send on a new exchange before it hears of more room. */
export const INITIAL_WINDOW = 64 * 1024
export const INITIAL_WINDOW_MIN = 16 * 1024
/** Room granted to one exchange at most; also the largest window a peer may build up. */
export const WINDOW_MAX = 1024 * 1024
/** Room beyond the initial windows that one connection grants to all its exchanges together. */
export const EXTRA_WINDOW_MAX = 16 * 1024 * 1024
/** Exchanges at once on a connection; more are REFUSED. */
export const EXCHANGES_MAX = 1024
/** Ids a connection uses before it is replaced. */
export const EXCHANGE_ID_MAX = 0x7fffffff
/** PING, WINDOW, RESET frames taken within one tick (a second); more end the connection. */
export const CONTROL_FRAMES_PER_TICK_MAX = 20_000

/** Reset codes. */
export const RESET_CANCEL = 1
/** The exchange was not handled at all: safe to try elsewhere. */
export const RESET_REFUSED = 2
/** The application's connection broke, or its answer cannot be forwarded. */
export const RESET_UPSTREAM = 3
export const RESET_DENIED = 4
export const RESET_TIMEOUT = 5
export const RESET_PROTOCOL = 6
/** The application answered with what is not HTTP. */
export const RESET_INVALID = 7

/** Goaway codes. */
export const GOAWAY_DRAIN = 0
export const GOAWAY_PROTOCOL = 1
export const GOAWAY_FLOOD = 2
