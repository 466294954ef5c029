/**
 * /v1/internal/ui/metrics-proxy: passes reads of a user interface on to the metrics store (http-api.md 26).
 *
 * Guarantees: only paths below the configured URL are asked for, and only the listed ones where there is a list; no
 * header of the client goes on, and none of the store comes back but the type. Bounds: ANSWER_WAIT_MS for the head of
 * the answer, whose body is streamed.
 */

import { type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import type { MetricsProxyConfig } from '../../../core/config/model.ts'
import { FairleadError } from '../../../core/errors.ts'
import { instant } from '../../../core/time.ts'
import type { HttpCall } from '../call.ts'
import { emptyReply, type Reply, StreamedBody, textReply } from '../reply.ts'
import type { Route } from '../route.ts'

const ANSWER_WAIT_MS = 30_000

export const METRICS_PROXY_ROUTES: readonly Route[] = [
  {
    path: '/v1/internal/ui/metrics-proxy/',
    doc: 'Passes a read on to the metrics store of ui_config.metrics_proxy; 404 without one',
    methods: { GET: proxied },
  },
]

async function proxied(call: HttpCall): Promise<Reply> {
  const { metricsProxy } = call.agent.config
  if (metricsProxy === undefined) return textReply(404, 'Metrics proxy is not enabled')
  const segments = call.suffix.split('/')
  if (segments.some((segment) => segment === '.' || segment === '..')) {
    return textReply(400, 'Invalid path.')
  }
  const path = `/${segments.map(encodeURIComponent).join('/')}`
  const target = `${new URL(metricsProxy.baseUrl).pathname.replace(/\/$/, '')}${path}`
  const { pathAllowlist } = metricsProxy
  if (pathAllowlist.length > 0 && !pathAllowlist.includes(target)) {
    call.agent.log.warn('a path of the metrics store is not on the list', { path: target })
    return emptyReply(403)
  }
  const query = call.query.encode()
  const url = `${metricsProxy.baseUrl}${path}${query === '' ? '' : `?${query}`}`
  try {
    return replyOf(await ask(url, metricsProxy, call))
  } catch (thrown) {
    call.signal.throwIfAborted()
    call.agent.log.warn('the metrics store did not answer', { err: thrown })
    return emptyReply(502)
  }
}

/** @returns once there is a head; rejects with the platform's error, or when that took too long */
function ask(
  url: string,
  { headers: added }: MetricsProxyConfig,
  { agent, signal }: HttpCall,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { accept: '*/*' }
    for (const [name, value] of added) headers[name] = value
    const send = url.startsWith('https:') ? requestTls : request
    const outgoing = send(url, { method: 'GET', headers, signal, agent: false })
    const { clock } = agent
    const late = clock.timer(instant(clock.now() + ANSWER_WAIT_MS), () => {
      const error = new FairleadError('NO_SERVERS', `No answer within ${ANSWER_WAIT_MS} ms`)
      outgoing.destroy(error)
    })
    outgoing.once('response', (response) => {
      late.cancel()
      resolve(response)
    })
    outgoing.once('error', (err) => {
      late.cancel()
      reject(err)
    })
    outgoing.end()
  })
}

function replyOf(response: IncomingMessage): Reply {
  const body = new StreamedBody(response, async () => {
    response.destroy()
  })
  const type = response.headers['content-type'] ?? ''
  return { status: response.statusCode ?? 502, type, headers: [], body }
}
