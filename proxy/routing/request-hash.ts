/**
 * The hash of a request by the policies of its destination (mesh.md 7.6, 10.3), and the cookie that makes the next one of
 * the same caller hash alike.
 *
 * Policies are taken in order; one that finds nothing is passed over, a terminal one ends the search once there is a hash.
 * A cookie is made where the policy says so and none came. Hashes are xxHash32, 32 bits: which instance a value lands on
 * differs from other proxies', that the same value lands on the same instance does not.
 */

import { combined, textHash } from '../../core/balance/hash.ts'
import type { HashPolicy } from '../../core/mesh/proxy-snapshot.ts'
import type { RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import { HeadEdits } from './head-edits.ts'

/** Who calls: address and port of both ends, for cookies; the address alone, for the policy that asks for it. */
export interface CallSource {
  readonly address: string
  readonly ends: string
}

/** @returns undefined when no policy finds anything */
export function requestHash(
  policies: readonly HashPolicy[],
  head: RequestHead | undefined,
  source: CallSource | undefined,
): number | undefined {
  const view = head === undefined ? undefined : new RequestView(head.text)
  let hash: number | undefined
  for (const policy of policies) {
    const value = foundValue(policy, view) ?? madeValue(policy, head, source)
    if (value !== undefined) hash = combined(hash ?? 0, textHash(value))
    if (hash !== undefined && policy.isTerminal) break
  }
  return hash
}

function foundValue(policy: HashPolicy, view: RequestView | undefined): string | undefined {
  switch (policy.kind) {
    case 'header': {
      const value = view?.header(policy.name)
      // The order of several values means nothing here.
      return value?.includes(',') === true ? value.split(',').sort().join(',') : value
    }
    case 'query':
      return view?.query(policy.name)
    case 'cookie':
      return cookieOf(view?.header('cookie'), policy.name)
    case 'source':
      return undefined
  }
}

function madeValue(
  policy: HashPolicy,
  head: RequestHead | undefined,
  source: CallSource | undefined,
): string | undefined {
  if (policy.kind === 'source') return source?.address
  if (policy.kind !== 'cookie' || policy.made === undefined || head === undefined) return undefined
  const ends = source?.ends ?? ''
  const hex = (seed: number): string => textHash(ends, seed).toString(16).padStart(8, '0')
  const value = hex(0) + hex(1)
  const { maxAgeS, path } = policy.made
  const age = maxAgeS > 0 ? `; Max-Age=${maxAgeS}` : ''
  const line = `${policy.name}="${value}"${age}${path === '' ? '' : `; Path=${path}`}; HttpOnly`
  const edit = HeadEdits.of({ remove: [], set: [], add: [['set-cookie', line]] })
  if (edit !== undefined) head.responseEdits = [...(head.responseEdits ?? []), edit]
  return value
}

/** @returns the value without its quotes */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  for (const pair of header.split(/[;,]/)) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  }
  return undefined
}
