/**
 * Decodes the Huffman code of HPACK (RFC 7541 5.2, appendix B), four bits at a time.
 *
 * The code is canonical, so the lengths of its codes are all that must be known. The automaton has a state for
 * each inner node of the tree; a step of four bits ends at most one symbol, since the shortest code has five.
 * Refuses, as the RFC says, the end symbol and padding that is longer than seven bits or not all ones.
 */

/** Bits of the code of each byte, in order, and of the end symbol. */
// biome-ignore format: sixteen in a line, as bytes are looked up
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]
const END_SYMBOL = 256
const STATES = 256
const PADDING_BITS_MAX = 7
const NO_SYMBOL = -1
const REFUSED = -2

/** By state and four bits: the next state, and the byte that ended, NO_SYMBOL or REFUSED. */
const next = new Uint8Array(STATES * 16)
const symbols = new Int16Array(STATES * 16)
/** A string may end here: only padding has been read since the last symbol. */
const isEnd = new Uint8Array(STATES)
build()

/**
 * Decodes `bytes[from, to)` into `out` from `at` on, which has room for eight fifths of it.
 *
 * @returns the position after what was written, or -1 when the code is not valid
 */
export function decodeHuffman(
  bytes: Uint8Array,
  range: { readonly from: number; readonly to: number },
  out: Uint8Array,
  at: number,
): number {
  let state = 0
  let end = at
  for (let i = range.from; i < range.to; i++) {
    const byte = bytes[i] as number
    let step = (state << 4) | (byte >>> 4)
    let symbol = symbols[step] as number
    if (symbol >= 0) out[end++] = symbol
    else if (symbol === REFUSED) return -1
    step = ((next[step] as number) << 4) | (byte & 15)
    symbol = symbols[step] as number
    if (symbol >= 0) out[end++] = symbol
    else if (symbol === REFUSED) return -1
    state = next[step] as number
  }
  return isEnd[state] === 1 ? end : -1
}

/** Fills the tables from the lengths: codes count up, shorter before longer, then by symbol. */
function build(): void {
  // Two children a node: an inner node's number, or the complement of a symbol. 0, the root, is nobody's child.
  const children = new Int16Array(STATES * 2)
  let nodes = 1
  let code = 0
  let bits = 0
  const order = [...LENGTHS.keys()].sort((a, b) => lengthOf(a) - lengthOf(b) || a - b)
  for (const symbol of order) {
    code *= 2 ** (lengthOf(symbol) - bits)
    bits = lengthOf(symbol)
    let node = 0
    for (let bit = bits - 1; bit > 0; bit--) {
      const slot = node * 2 + (Math.floor(code / 2 ** bit) & 1)
      if (children[slot] === 0) children[slot] = nodes++
      node = children[slot] as number
    }
    children[node * 2 + (code & 1)] = ~symbol
    code++
  }
  for (let state = 0; state < STATES; state++) {
    for (let nibble = 0; nibble < 16; nibble++) walk(children, state, nibble)
  }
  for (let node = 0, ones = 0; ones <= PADDING_BITS_MAX; ones++) {
    isEnd[node] = 1
    node = children[node * 2 + 1] as number
  }
}

function walk(children: Int16Array, state: number, nibble: number): void {
  let node = state
  let symbol = NO_SYMBOL
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node * 2 + ((nibble >>> bit) & 1)] as number
    if (child < 0) symbol = ~child === END_SYMBOL ? REFUSED : ~child
    node = Math.max(child, 0)
  }
  next[state * 16 + nibble] = node
  symbols[state * 16 + nibble] = symbol
}

function lengthOf(symbol: number): number {
  return LENGTHS[symbol] as number
}
