/**
 * /v1/agent/proxy/…: the mesh proxy of this host, its figures and its live requests. Fairlead's own; Consul has none.
 *
 * A tap is one JSON object a line, until the client ends it. A reader that is too slow loses requests and is told
 * how many.
 */

import { FairleadError } from '../../../core/errors.ts'
import {
  TAP_RATE_DEFAULT,
  type TapEvent,
  type TapFilter,
  tapFilterProblem,
} from '../../../core/exchange/tap.ts'
import { PROMETHEUS_TEXT_TYPE } from '../../../core/metrics/exposition.ts'
import type { MeshProxy } from '../../mesh/types.ts'
import type { HttpCall } from '../call.ts'
import { liveStream } from '../live-stream.ts'
import { JSON_TYPE, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'

export const AGENT_PROXY_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/proxy/metrics',
    doc: "Fairlead's own: figures of the mesh proxy of this host, in the format of Prometheus",
    methods: { GET: metrics },
  },
  {
    path: '/v1/agent/proxy/tap',
    doc: "Fairlead's own: live requests through the mesh proxy of this host, one JSON object a line, until the client ends it",
    query: ['service', 'to', 'from', 'direction', 'method', 'path', 'status', 'max-rps', 'headers'],
    methods: { GET: tap },
  },
]

/** Requests are sent together for so long. */
const GATHER_MS = 50

async function metrics({ agent }: HttpCall): Promise<Reply> {
  const body = await proxyOf(agent.proxy).metrics()
  return { status: 200, type: PROMETHEUS_TEXT_TYPE, headers: [], body }
}

function tap({ agent, query, signal }: HttpCall): Reply {
  const proxy = proxyOf(agent.proxy)
  const rate = query.get('max-rps')
  const filter: TapFilter = {
    service: query.get('service'),
    to: query.get('to'),
    from: query.get('from'),
    direction: query.get('direction') as TapFilter['direction'],
    method: query.get('method'),
    path: query.get('path'),
    status: query.get('status').toLowerCase(),
    maxPerSecond: rate === '' ? TAP_RATE_DEFAULT : Number(rate),
    withFields: query.has('headers') && query.get('headers') !== 'false',
  }
  const problem = tapFilterProblem(filter)
  if (problem !== undefined) throw new FairleadError('BAD_REQUEST', problem)
  const body = liveStream({
    signal,
    gatherMs: GATHER_MS,
    sleep: agent.clock.sleep,
    source: (push) =>
      proxy.tap(filter, {
        onEvent: (event, skipped) => push(lineOf(event, skipped)),
        onRefused: (reason) => push(`${JSON.stringify({ Error: reason })}\n`),
      }),
    onRefused: () => {},
    noteOf: (refused) => `${JSON.stringify({ Skipped: refused })}\n`,
  })
  return { status: 200, type: JSON_TYPE, headers: [], body }
}

function lineOf(event: TapEvent, skipped: number): string {
  const note = skipped === 0 ? '' : `${JSON.stringify({ Skipped: skipped })}\n`
  return `${note}${JSON.stringify(event)}\n`
}

function proxyOf(proxy: MeshProxy | undefined): MeshProxy {
  if (proxy === undefined) throw new FairleadError('NOT_SUPPORTED', 'This agent runs no mesh proxy')
  return proxy
}
