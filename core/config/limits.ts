/**
 * How many requests the servers, and a client agent, take a second (agent-config.md 11). Pure.
 */

import type { RateLimit } from '../resilience/token-bucket.ts'
import { group, type KeyTable, key } from './key-table.ts'
import type { RawReader } from './raw-reader.ts'

const MODES = ['disabled', 'permissive', 'enforcing'] as const
/** So many seconds' worth may come at once, as in Consul. */
const BURST_SECONDS = 10

export type RequestLimitMode = (typeof MODES)[number]

/** Of a server, over all who ask it. */
export interface RequestLimits {
  /** Permissive: what is over the limit is carried out, counted and told in the log. */
  readonly mode: RequestLimitMode
  /** Undefined for no limit. */
  readonly read: RateLimit | undefined
  readonly write: RateLimit | undefined
}

export const RATE_KEYS: KeyTable = {
  rpc_rate: key(
    'number',
    '-1',
    'Requests a second that a client agent makes of the servers; -1 is without limit',
    true,
  ),
  rpc_max_burst: key('integer', '1000', 'Requests above `rpc_rate` that may come at once', true),
  request_limits: group({
    mode: key(
      'string',
      'disabled',
      'What a server does with requests over its limits: `disabled`, `permissive` (log and count), `enforcing` (refuse)',
      true,
    ),
    read_rate: key('number', '-1', 'Reads a second of a server; -1 is without limit', true),
    write_rate: key('number', '-1', 'Writes a second of a server; -1 is without limit', true),
  }),
}

export function resolveRequestLimits(reader: RawReader): RequestLimits {
  const name = 'limits.request_limits.mode'
  const given = reader.text(name, 'disabled')
  const mode = MODES.find((known) => known === given)
  if (mode === undefined) {
    reader.problem(
      name,
      `${name}: invalid mode: ${JSON.stringify(given)}`,
      `use one of ${MODES.join(', ')}`,
    )
  }
  return {
    mode: mode ?? 'disabled',
    read: rateOf(reader, 'limits.request_limits.read_rate'),
    write: rateOf(reader, 'limits.request_limits.write_rate'),
  }
}

/** Of a client agent; undefined for no limit. */
export function resolveRpcRate(reader: RawReader): RateLimit | undefined {
  const burst = reader.number('limits.rpc_max_burst', 1_000, 1)
  const rate = reader.number('limits.rpc_rate', -1, -1)
  return rate <= 0 ? undefined : { requestsPerSecond: rate, burst }
}

function rateOf(reader: RawReader, name: string): RateLimit | undefined {
  const rate = reader.number(name, -1, -1)
  if (rate < 0) return undefined
  if (rate === 0) {
    reader.problem(name, `${name} cannot be 0`, 'use -1 for no limit')
    return undefined
  }
  return { requestsPerSecond: rate, burst: Math.max(1, Math.floor(rate * BURST_SECONDS)) }
}
