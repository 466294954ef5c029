/**
 * Addresses of mesh services out of a range: the replicated offset of a name, put into a base address.
 *
 * The offset is decided by the state machine, the base by each host: so that several agents may share one
 * machine, each with a loopback range of its own.
 */

/** Where services answer on a host that runs the proxy, unless configured otherwise. */
export const LOOPBACK_BASE = '127.128.0.0'
/** Cluster-wide addresses, the same everywhere (mesh.md 1.6). */
export const VIRTUAL_BASE = '240.0.0.0'

/** @param base IPv4 text; `base` + `offset` must stay within 32 bits */
export function virtualAddress(base: string, offset: number): string {
  let value = 0
  for (const part of base.split('.')) value = value * 256 + Number(part)
  value += offset
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}
