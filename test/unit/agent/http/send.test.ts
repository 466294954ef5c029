/**
 * What becomes of a body that is streamed, when its client is gone before or while it is sent.
 */

import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { StreamedBody } from '../../../../agent/http/reply.ts'
import { send } from '../../../../agent/http/send.ts'

function rig(chunks: AsyncIterable<Uint8Array>) {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  let closed = 0
  const body = new StreamedBody(chunks, async () => void closed++)
  const reply = { status: 200, type: 'application/x-gzip', headers: [], body }
  return {
    response,
    send: () => send(reply, { request, response, standing: [], layout: 'compact' }),
    closed: () => closed,
  }
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1024)
}

describe('a streamed body', () => {
  it('is closed when its client is gone before anything was sent', async () => {
    const { response, send, closed } = rig(endless())
    response.destroy()
    await send()
    assert.equal(closed(), 1)
    assert.equal(response.headersSent, false)
  })

  it('is closed when its client hangs up', async () => {
    const { response, send, closed } = rig(endless())
    const sent = send()
    response.destroy()
    await sent
    assert.equal(closed(), 1)
  })
})
