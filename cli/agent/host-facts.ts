/**
 * What the configuration may ask about this host: its name, its addresses, what a path is.
 */

import { readFileSync, statSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import type { HostFacts } from '../../core/config/resolve.ts'
import type { HostInterface } from '../../core/config/sockaddr/host-interface.ts'

/** Read once at start, so synchronously. */
export function readHostFacts(): HostFacts {
  return { hostname: hostname().split('.')[0] ?? '', interfaces: interfaces(), pathKind }
}

/** Those of the default route first. */
function interfaces(): readonly HostInterface[] {
  const defaults = defaultRouteInterfaces()
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const flags = flagsOf(name)
    return (addresses ?? []).map(({ address, cidr, family }) => ({
      name,
      address,
      prefix: Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128)),
      flags,
      isDefault: defaults.has(name),
    }))
  })
  return [...all.filter((item) => item.isDefault), ...all.filter((item) => !item.isDefault)]
}

/** Of an interface, as the kernel numbers them (netdevice(7)). */
const KERNEL_FLAGS: readonly (readonly [number, string])[] = [
  [0x1, 'up'],
  [0x2, 'broadcast'],
  [0x8, 'loopback'],
  [0x10, 'pointtopoint'],
  [0x1000, 'multicast'],
]

function flagsOf(name: string): readonly string[] {
  const text = readIfThere(`/sys/class/net/${name}/flags`)
  const bits = text === undefined ? Number.NaN : Number(text.trim())
  // An interface that has addresses is up, whether or not the kernel says more.
  if (Number.isNaN(bits)) return ['up']
  return KERNEL_FLAGS.filter(([bit]) => (bits & bit) !== 0).map(([, flag]) => flag)
}

/** By both tables of the kernel: where the destination is all zeros, of length 0. */
function defaultRouteInterfaces(): ReadonlySet<string> {
  const v4 = rows('/proc/net/route').filter(
    ([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000',
  )
  const v6 = rows('/proc/net/ipv6_route').filter(
    ([destination = '', prefix, , , , , , , , name]) =>
      /^0{32}$/.test(destination) && prefix === '00' && name !== 'lo',
  )
  const names = [...v4.map(([name]) => name), ...v6.map((row) => row[9])]
  return new Set(names.filter((name) => name !== undefined))
}

function rows(path: string): readonly (readonly string[])[] {
  return (readIfThere(path) ?? '').split('\n').map((line) => line.trim().split(/\s+/))
}

/** Undefined where a system has no such file. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}

function pathKind(path: string): 'missing' | 'directory' | 'other' {
  const info = statSync(path, { throwIfNoEntry: false })
  if (info === undefined) return 'missing'
  return info.isDirectory() ? 'directory' : 'other'
}
