/**
 * /v1/event: fires events for the agents of the cluster, and lists those that reached this one (http-api.md 15).
 *
 * The index of a list is made of the id of its newest event and has no order: a blocked call returns when it differs.
 */

import { FairleadError, toFairleadError } from '../../../core/errors.ts'
import { indexOfEvent, type OperatorEvent } from '../../../core/events/operator-event.ts'
import { instant } from '../../../core/time.ts'
import type { OperatorEvents } from '../../events/operator-events.ts'
import type { HttpCall } from '../call.ts'
import { shownEvents } from '../local-rights.ts'
import { blockingParameters, datacenterOf, refuseTenancy } from '../query-options.ts'
import { jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { eventJson } from '../wire/event.ts'
import { list } from '../wire/json.ts'

export const EVENT_ROUTES: readonly Route[] = [
  {
    path: '/v1/event/fire/',
    doc: 'Fires an event for all agents, or for those that the filters select',
    query: ['node', 'service', 'tag'],
    methods: { PUT: fire },
  },
  {
    path: '/v1/event/list',
    doc: 'The last 256 events that reached this agent, the oldest first',
    blocking: true,
    query: ['name'],
    methods: { GET: listEvents },
  },
]

/** Of a list without events. */
const EMPTY_INDEX = 1n

function fire(call: HttpCall): Reply {
  refuseTenancy(call)
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  const { query } = call
  try {
    const event = eventsOf(call).fire({
      name: call.suffix,
      payload: call.body,
      nodeFilter: query.get('node'),
      serviceFilter: query.get('service'),
      tagFilter: query.get('tag'),
    })
    return jsonReply(eventJson(event))
  } catch (thrown) {
    const error = toFairleadError(thrown)
    if (error.code !== 'TOO_LARGE') throw error
    // The reference answers 500 and not 413, and clients may tell them apart.
    throw new FairleadError('REJECTED', error.message, { facts: error.facts, cause: error })
  }
}

async function listEvents(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { minIndex, waitMs } = blockingParameters(call)
  const events = eventsOf(call)
  const name = call.query.get('name')
  // Of 64 bits, which a number does not hold.
  const known = minIndex === 0 ? 0n : BigInt(call.query.get('index'))
  if (known !== 0n) await untilChanged(call, () => indexOf(events.list(name)) !== known, waitMs)
  const found = events.list(name)
  const seen = await shownEvents(call, found)
  const headers = ['X-Consul-Index', String(indexOf(found)), ...seen.headers]
  return jsonReply(list(seen.values, eventJson), headers)
}

function indexOf(events: readonly OperatorEvent[]): bigint {
  const newest = events.at(-1)
  return newest === undefined ? EMPTY_INDEX : indexOfEvent(newest.id)
}

/** Resolves when it has changed or the wait is over. @throws the abort reason of the call */
function untilChanged(call: HttpCall, isChanged: () => boolean, waitMs: number): Promise<void> {
  if (isChanged()) return Promise.resolve()
  const { clock } = call.agent
  const { signal } = call
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      stopListening()
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      end()
    }
    const onAbort = (): void => settle(() => reject(signal.reason))
    const stopListening = eventsOf(call).onChange(() => {
      if (isChanged()) settle(resolve)
    })
    const timer = clock.timer(instant(clock.now() + waitMs), () => settle(resolve))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

function eventsOf({ agent, method }: HttpCall): OperatorEvents {
  if (agent.events !== undefined) return agent.events
  throw new FairleadError('NOT_SUPPORTED', `${method}: this agent is in no gossip pool`)
}
