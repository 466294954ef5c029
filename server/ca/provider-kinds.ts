/**
 * The providers there are, by the name that a configuration has for them.
 */

import { FairleadError } from '../../core/errors.ts'
import { BUILT_IN } from './built-in-provider.ts'
import { COMMAND } from './command-provider.ts'
import { FILES } from './files-provider.ts'
import type { ProviderKind } from './provider.ts'
import { VAULT } from './vault-provider.ts'

export const BUILT_IN_PROVIDER = 'consul'

const KINDS: ReadonlyMap<string, ProviderKind> = new Map([
  [BUILT_IN_PROVIDER, BUILT_IN],
  ['files', FILES],
  ['command', COMMAND],
  ['vault', VAULT],
])

/** @throws FairleadError NOT_SUPPORTED for a name that is none */
export function providerKind(name: string): ProviderKind {
  const kind = KINDS.get(name)
  if (kind !== undefined) return kind
  const known = [...KINDS.keys()].map((each) => `"${each}"`).join(', ')
  throw new FairleadError(
    'NOT_SUPPORTED',
    `CA provider "${name}" is not supported; there are ${known}`,
  )
}
