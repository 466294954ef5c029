/**
 * The numbers of HTTP/2 (RFC 9113 4, 6, 7) and our bounds on what a peer may do; what happens at each is said
 * beside it.
 */

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
export const H2_ALPN = 'h2'
export const FRAME_HEADER_BYTES = 9

export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const FLAG_END_STREAM = 0x1
export const FLAG_ACK = 0x1
export const FLAG_END_HEADERS = 0x4
export const FLAG_PADDED = 0x8
export const FLAG_PRIORITY = 0x20

export const SETTING_HEADER_TABLE_SIZE = 1
export const SETTING_ENABLE_PUSH = 2
export const SETTING_MAX_CONCURRENT_STREAMS = 3
export const SETTING_INITIAL_WINDOW_SIZE = 4
export const SETTING_MAX_FRAME_SIZE = 5
export const SETTING_MAX_HEADER_LIST_SIZE = 6

/** Error codes; NO_ERROR also means that all is well where a function returns one. */
export const NO_ERROR = 0
export const PROTOCOL_ERROR = 1
export const INTERNAL_ERROR = 2
export const FLOW_CONTROL_ERROR = 3
export const STREAM_CLOSED = 5
export const FRAME_SIZE_ERROR = 6
export const REFUSED_STREAM = 7
export const CANCEL = 8
export const COMPRESSION_ERROR = 9
export const ENHANCE_YOUR_CALM = 11

export const STREAM_ID_MAX = 0x7fffffff
export const WINDOW_SIZE_MAX = 0x7fffffff
/** What both sides may send before they hear of more, on a connection and, without a setting, on a stream. */
export const WINDOW_DEFAULT = 65_535
/** Payload of a frame, in both directions; a longer one is FRAME_SIZE_ERROR. */
export const FRAME_BYTES_MAX = 16_384

/** Streams at once on a connection; more are REFUSED_STREAM. */
export const STREAMS_MAX = 1024
/** Room on a stream whose reader keeps up, and that beyond the first window which a connection has in all. */
export const STREAM_WINDOW_MAX = 1024 * 1024
export const EXTRA_WINDOW_MAX = 16 * 1024 * 1024
/** Room on the connection; given back as bytes arrive, so that no stream waits for another's reader. */
export const CONNECTION_WINDOW = 1024 * 1024
/** Size of all fields of a head as RFC 9113 6.5.2 counts; beyond it 431 (request) or 502 (response). */
export const HEADER_LIST_BYTES_MAX = 60 * 1024
/** Fields of a head; as above. */
export const HEADER_FIELDS_MAX = 100
/** One head compressed; beyond it ENHANCE_YOUR_CALM, since what is not decoded spoils the table. */
export const HEADER_BLOCK_BYTES_MAX = 64 * 1024
/** CONTINUATION frames of one head; beyond it ENHANCE_YOUR_CALM. */
export const CONTINUATIONS_MAX = 16
/** Our table of each direction. */
export const HEADER_TABLE_BYTES = 4096

/** A second's worth (a tick of the sweep) of frames that cost their sender nothing; beyond it ENHANCE_YOUR_CALM. */
export const CONTROL_FRAMES_PER_TICK_MAX = 20_000
/** The same for those that must be answered: PING, SETTINGS. */
export const ANSWERED_FRAMES_PER_TICK_MAX = 1000
/**
 * Streams reset before their response had ended, by the peer or because of it: so many at once, so many more
 * a second; beyond it ENHANCE_YOUR_CALM (CVE-2023-44487 and its kin).
 */
export const RESETS_BURST_MAX = 2000
export const RESETS_PER_TICK = 200
/** Answers to control frames that wait for a peer who does not read. */
export const UNREAD_ANSWERS_MAX = 10_000
