/**
 * Handlers of watches: a program gets its input and is ended when it must be; a URL gets a body in time.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { callUrl } from '../../../../runtime/handler/http-handler.ts'
import { runScript } from '../../../../runtime/handler/script-handler.ts'

const NEVER = new AbortController().signal
const deps = { clock: systemClock }

function script(text: string, signal = NEVER) {
  const args = ['/bin/sh', '-c', text]
  const env = { ...process.env, CONSUL_INDEX: '42' }
  return runScript({ args, input: '{"a":1}\n', env, output: 'collect', signal }, deps)
}

test('a program reads its input and the index, and what it says is kept', async () => {
  const { code, output } = await script(
    'read line; echo "$CONSUL_INDEX $line"; echo oops >&2; exit 3',
  )
  assert.equal(code, 3)
  assert.match(output, /^42 \{"a":1\}$/m)
  assert.match(output, /^oops$/m)
})

test('one that does not read its input, says too much or cannot start does no harm', async () => {
  assert.equal((await script('exit 0')).code, 0)
  const loud = await script('yes | head -c 100000')
  assert.equal(loud.output.length, 4096)
  const run = { args: ['/no/such'], input: '', env: {}, output: 'collect', signal: NEVER } as const
  await assert.rejects(runScript(run, deps), { code: 'ENOENT' })
})

test('on abort the program and what it started are ended', async () => {
  const ending = new AbortController()
  const reason = new Error('enough')
  const running = script('sleep 1000 & echo ready; wait', ending.signal)
  ending.abort(reason)
  await assert.rejects(running, reason)
})

interface Heard {
  readonly method: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function startReceiver(t: TestContext, status: number | null): Promise<[string, Heard[]]> {
  const heard: Heard[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    heard.push({ method: request.method, headers: request.headers, body })
    if (status !== null) response.writeHead(status).end('said')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return [`http://127.0.0.1:${(server.address() as AddressInfo).port}/w`, heard]
}

function call(url: string, timeoutMs: number, signal = NEVER) {
  const headers = { 'X-Two': ['a', 'b'], 'Content-Type': ['application/json'] }
  const options = {
    url,
    method: 'PUT',
    headers,
    body: '[1]',
    timeoutMs,
    tlsSkipVerify: false,
    signal,
  }
  return callUrl(options, deps)
}

test('a URL gets the method, the headers and the body', async (t) => {
  const [url, heard] = await startReceiver(t, 503)
  assert.deepEqual(await call(url, 60_000), { status: 503, body: 'said' })
  const [one] = heard
  assert.deepEqual([one?.method, one?.body, one?.headers['x-two']], ['PUT', '[1]', 'a, b'])
})

test('one that does not answer in time, or at all, is an error', async (t) => {
  const [url] = await startReceiver(t, null)
  await assert.rejects(call(url, 20), { code: 'BUSY' })
  await assert.rejects(call('http://127.0.0.1:1/', 60_000), { code: 'ECONNREFUSED' })
  const ending = new AbortController()
  const running = call(url, 60_000, ending.signal)
  ending.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
})
