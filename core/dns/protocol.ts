/**
 * Numbers of the DNS protocol that fairlead reads or writes (RFC 1035, 2782, 3596, 6891, 7871).
 */

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  AXFR: 252,
  ANY: 255,
} as const

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const

export const OPCODE = { QUERY: 0, NOTIFY: 4 } as const

export const CLASS_IN = 1

export const HEADER_SIZE = 12
export const LABEL_SIZE_MAX = 63
/** Length bytes and the closing zero included. */
export const NAME_SIZE_MAX = 255
export const MESSAGE_SIZE_MAX = 65_535

/** Bits of the second header word. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
} as const

export const EDNS_CLIENT_SUBNET = 8
