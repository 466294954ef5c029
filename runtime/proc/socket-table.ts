/**
 * TCP sockets of this network namespace, as /proc/net/tcp and /proc/net/tcp6 list them (proc(5)).
 *
 * Finds the inode of one end of a local connection, and those that listen on a port. A program that uses IPv6
 * sockets for IPv4 addresses appears in the second file: both are searched. Reads the whole table for each
 * question asked together; cost grows with the number of sockets on the host. Never throws for a missing file.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withoutMapping } from '../../core/config/ip-address.ts'

export interface SocketEnd {
  /** IPv4 in dots, or IPv6 as text; an IPv4-mapped address counts as IPv4. */
  readonly address: string
  readonly port: number
}

const LISTEN_STATE = '0A'
const MAPPED_PREFIX = '0000000000000000FFFF0000'

/** One reading of both tables. */
export class SocketTable {
  readonly #tcp: string
  readonly #tcp6: string

  private constructor(tcp: string, tcp6: string) {
    this.#tcp = tcp
    this.#tcp6 = tcp6
  }

  /** @param procRoot `/proc`, or a copy of it in tests */
  static async read(procRoot: string): Promise<SocketTable> {
    const [tcp, tcp6] = await Promise.all(
      ['tcp', 'tcp6'].map(async (name) =>
        readFile(join(procRoot, 'net', name), 'latin1').catch(() => ''),
      ),
    )
    return new SocketTable(tcp ?? '', tcp6 ?? '')
  }

  /** Inode of the socket whose own end is `local`, talking to `remote`; undefined when it is not there. */
  inodeOf(local: SocketEnd, remote: SocketEnd): number | undefined {
    const from = ipv4Hex(local.address)
    const to = ipv4Hex(remote.address)
    if (from === undefined || to === undefined) return undefined
    const ports = [hex(local.port, 4), hex(remote.port, 4)] as const
    return (
      inodeAt(this.#tcp, ` ${from}:${ports[0]} ${to}:${ports[1]} `) ??
      inodeAt(this.#tcp6, ` ${MAPPED_PREFIX}${from}:${ports[0]} ${MAPPED_PREFIX}${to}:${ports[1]} `)
    )
  }

  /** Inodes of all sockets that listen on `port`, on whatever address. */
  listeners(port: number): readonly number[] {
    const pattern = new RegExp(
      `^ *\\d+: [0-9A-F]+:${hex(port, 4)} [0-9A-F]+:0000 ${LISTEN_STATE} (?:\\S+ +){5}(\\d+) `,
      'gm',
    )
    const inodes: number[] = []
    for (const text of [listeningPart(this.#tcp), listeningPart(this.#tcp6)]) {
      for (const match of text.matchAll(pattern)) inodes.push(Number(match[1]))
    }
    return inodes
  }
}

/** The kernel lists the sockets that listen before all others: a search for them ends where those begin. */
function listeningPart(table: string): string {
  let from = table.indexOf('\n') + 1
  while (from < table.length) {
    const lineEnd = table.indexOf('\n', from)
    const line = table.slice(from, lineEnd < 0 ? undefined : lineEnd)
    if (line.trimStart().split(' ', 4)[3] !== LISTEN_STATE) break
    from = lineEnd < 0 ? table.length : lineEnd + 1
  }
  return table.slice(0, from)
}

/** The tables print an address as the host's integer in hexadecimal: little-endian on what we run on. */
function ipv4Hex(address: string): string | undefined {
  const parts = withoutMapping(address).split('.')
  if (parts.length !== 4) return undefined
  let text = ''
  for (const part of parts.reverse()) {
    const value = Number(part)
    if (!Number.isInteger(value) || value < 0 || value > 255) return undefined
    text += hex(value, 2)
  }
  return text
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

/** The inode in the line that has `ends`; 0 (a socket that is already gone) counts as none. */
function inodeAt(table: string, ends: string): number | undefined {
  const at = table.indexOf(ends)
  if (at < 0) return undefined
  const lineEnd = table.indexOf('\n', at)
  const rest = table.slice(at + ends.length, lineEnd < 0 ? undefined : lineEnd)
  // After the addresses: state, queues, timer, retransmits, uid, timeout, inode.
  const inode = Number(rest.split(/ +/)[6])
  return inode > 0 ? inode : undefined
}
