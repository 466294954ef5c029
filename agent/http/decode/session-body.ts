/**
 * The body of session/create (http-api.md 14): may be empty, unknown fields are ignored.
 *
 * A number as LockDelay means seconds below 1000 and nanoseconds from there on. The lock delay is kept
 * within [0, LOCK_DELAY_MAX_MS]. Both it and the TTL are kept in whole milliseconds, rounded up.
 */

import type { Indexed, SessionRecord } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { type Decoder, list, string } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import {
  durationFault,
  formatDurationMs,
  NS_PER_MS,
  parseDuration,
} from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'

export const LOCK_DELAY_DEFAULT_MS = 15_000
export const LOCK_DELAY_MAX_MS = 60_000
export const SESSION_TTL_MAX_MS = 24 * 3600 * 1000
/** Health of the node by gossip: a session ends with its node unless told otherwise. */
const DEFAULT_CHECKS: readonly string[] = ['serfHealth']
const SECONDS_BELOW = 1000

const lockDelay: Decoder<number> = {
  type: 'time.Duration',
  read(input, at) {
    if (typeof input === 'number' && Number.isFinite(input)) {
      return input < SECONDS_BELOW ? input * 1000 : input / NS_PER_MS
    }
    if (typeof input !== 'string') return at.mismatch(input, 'time.Duration')
    const ns = parseDuration(input)
    return ns === undefined ? at.problem(durationFault(input)) : ns / NS_PER_MS
  },
}

const SERVICE_CHECK = object('ServiceCheck', {
  id: field('ID', string, ''),
  namespace: field('Namespace', string, ''),
})

const SESSION = object(
  'Session',
  {
    name: field('Name', string, ''),
    node: field('Node', string, ''),
    lockDelayMs: field('LockDelay', lockDelay, LOCK_DELAY_DEFAULT_MS),
    behavior: field('Behavior', string, ''),
    ttl: field('TTL', string, ''),
    nodeChecks: optional('NodeChecks', list(string)),
    checks: optional('Checks', list(string)),
    serviceChecks: optional('ServiceChecks', list(SERVICE_CHECK)),
  },
  { unknownFields: 'ignore' },
)

/**
 * @returns a session without an id, which the servers give it
 * @throws FairleadError BAD_REQUEST, REJECTED
 */
export function sessionFromBody(
  body: string,
  defaults: { readonly node: string; readonly ttlMinMs: number },
): Omit<SessionRecord, keyof Indexed> {
  const given = decodeBody(SESSION, body.trim() === '' ? '{}' : body)
  const { behavior } = given
  if (behavior !== '' && behavior !== 'release' && behavior !== 'delete') {
    throw new FairleadError('REJECTED', `Invalid Behavior setting '${behavior}'`)
  }
  return {
    id: '',
    name: given.name,
    node: given.node === '' ? defaults.node : given.node,
    lockDelayMs: Math.ceil(Math.min(Math.max(given.lockDelayMs, 0), LOCK_DELAY_MAX_MS)),
    behavior: behavior === '' ? 'release' : behavior,
    ttl: given.ttl,
    ttlMs: ttlOf(given.ttl, defaults.ttlMinMs),
    nodeChecks: given.nodeChecks ?? given.checks ?? DEFAULT_CHECKS,
    serviceChecks: given.serviceChecks ?? null,
  }
}

function ttlOf(ttl: string, minMs: number): number {
  if (ttl === '') return 0
  const ns = parseDuration(ttl)
  if (ns === undefined) {
    throw new FairleadError('REJECTED', `Session TTL '${ttl}' invalid: ${durationFault(ttl)}`)
  }
  const ttlMs = ns / NS_PER_MS
  if (ttlMs === 0) return 0
  if (ttlMs >= minMs && ttlMs <= SESSION_TTL_MAX_MS) return Math.ceil(ttlMs)
  const range = `[${formatDurationMs(minMs)}=${formatDurationMs(SESSION_TTL_MAX_MS)}]`
  throw new FairleadError('REJECTED', `Invalid Session TTL '${ns}', must be between ${range}`)
}
