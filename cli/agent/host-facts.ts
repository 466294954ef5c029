/**
 * What the configuration may ask about this host: its name, its addresses, what a path is.
 */

import { readFileSync, statSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import type { HostInterface } from '../../core/config/address-template.ts'
import type { HostFacts } from '../../core/config/resolve.ts'

/** Read once at start, so synchronously. */
export function readHostFacts(): HostFacts {
  return { hostname: hostname().split('.')[0] ?? '', interfaces: interfaces(), pathKind }
}

function interfaces(): readonly HostInterface[] {
  const preferred = defaultRouteInterface()
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address }) => ({ name, address })),
  )
  return [
    ...all.filter((item) => item.name === preferred),
    ...all.filter((item) => item.name !== preferred),
  ]
}

/** Column 2 of the kernel's table is the destination; 00000000 is the default route. */
function defaultRouteInterface(): string | undefined {
  let table: string
  try {
    table = readFileSync('/proc/net/route', 'utf8')
  } catch (err) {
    // No such file on other systems: then no interface is preferred.
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
  for (const line of table.split('\n').slice(1)) {
    const [name, destination] = line.split('\t')
    if (destination === '00000000') return name
  }
  return undefined
}

function pathKind(path: string): 'missing' | 'directory' | 'other' {
  const info = statSync(path, { throwIfNoEntry: false })
  if (info === undefined) return 'missing'
  return info.isDirectory() ? 'directory' : 'other'
}
