/**
 * The version of this program, from package.json: the one place that states it.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The Consul release whose formats are spoken; clients read it to choose features. */
export const COMPATIBLE_CONSUL_VERSION = '1.21.4'

export interface Version {
  readonly version: string
}

/** How a proxy of this program names itself to agents. */
export function proxyBuild(version: string): string {
  return `fairlead ${version}`
}

export function readVersion(): Version {
  const text = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  const { version } = JSON.parse(text)
  return { version: String(version) }
}
