/**
 * What a URL asks for is worked out once for reads that come again and again, and no more is kept than that.
 */

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { it } from 'node:test'
import type { AgentContext } from '../../../../agent/http/context.ts'
import { Dispatcher } from '../../../../agent/http/dispatch.ts'
import { emptyReply } from '../../../../agent/http/reply.ts'
import { RouteTable } from '../../../../agent/http/route.ts'

const http = { blockedEndpoints: [], writersFrom: [], takesUnprintable: false }
const agent = { config: { http } } as unknown as AgentContext

it('takes the URL of a read apart once, of writes and of long ones each time', (t) => {
  const methods = { GET: () => emptyReply(), PUT: () => emptyReply() }
  const table = new RouteTable([{ path: '/v1/kv/', doc: '', methods }])
  const match = t.mock.method(table, 'match')
  const dispatcher = new Dispatcher(table, agent)
  const twice = (method: string, url: string): number => {
    match.mock.resetCalls()
    for (let i = 0; i < 2; i++) {
      const dispatched = dispatcher.dispatch({ method } as IncomingMessage, url)
      assert.equal(dispatched.kind, 'call')
    }
    return match.mock.callCount()
  }
  assert.equal(twice('GET', '/v1/kv/a?raw'), 1)
  assert.equal(twice('PUT', '/v1/kv/b'), 2)
  assert.equal(twice('GET', `/v1/kv/${'x'.repeat(600)}`), 2)
})
