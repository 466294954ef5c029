/**
 * What operators see of the traffic of a host: figures, taps and access logs, through the program.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import {
  type App,
  call,
  callUntil,
  meshFlags,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

let agent: TestAgent
let app: App
let host: string

before(async () => {
  agent = await startAgent({ flags: meshFlags() })
  app = await startApp('payments', (incoming, response) => {
    response.statusCode = incoming.url === '/broken' ? 500 : 200
    response.end('done')
  })
  await registerMesh(agent, app)
  host = await sharedAddress(agent, 'payments')
  await callUntil((reply) => reply.status === 200, host, app.port)
})

after(async () => {
  await app[Symbol.asyncDispose]()
  await agent[Symbol.asyncDispose]()
})

async function setDefaults(body: object): Promise<void> {
  const answer = await agent.put('/v1/config', {
    Kind: 'proxy-defaults',
    Name: 'global',
    ...body,
  })
  assert.equal(answer.status, 200, await answer.text())
}

describe('observation of traffic', () => {
  it('shows figures through the agent, and where Prometheus is told to look', async () => {
    const answer = await agent.get('/v1/agent/proxy/metrics')
    assert.equal(answer.status, 200)
    assert.match(String(answer.headers.get('content-type')), /^text\/plain; version=0\.0\.4/)
    const text = await answer.text()
    assert.match(
      text,
      /^envoy_cluster_upstream_rq_xx\{.*consul_destination_service="payments".*\} [1-9]/m,
    )
    assert.match(text, /^fairlead_requests_total\{direction="inbound",.*destination="payments"/m)
    const port = await freePort()
    await setDefaults({ Config: { envoy_prometheus_bind_addr: `127.0.0.1:${port}` } })
    const scraped = await eventually('the proxy listens for Prometheus', async () => {
      const page = await fetch(`http://127.0.0.1:${port}/metrics`)
      return await page.text()
    })
    assert.match(scraped, /^envoy_server_live 1$/m)
  })

  it('shows live requests that pass a filter', async () => {
    const tapping = agent.command(
      'tap',
      '-to=payments',
      '-status=5xx',
      '-direction=outbound',
      '-count=1',
      '-format=json',
    )
    let isOver = false
    const ended = tapping.finally(() => {
      isOver = true
    })
    while (!isOver) {
      await call(host, app.port, '/fine')
      await call(host, app.port, '/broken')
    }
    const { code, stdout, stderr } = await ended
    assert.equal(code, 0, stderr)
    const event = JSON.parse(stdout)
    assert.equal(event.Path, '/broken')
    assert.equal(event.Status, 500)
    assert.equal(event.Destination, 'payments')
    const bad = await agent.command('tap', '-status=many')
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /Invalid status "many"; use a status, a class like 5xx, or error/)
  })

  it('writes access logs as proxy-defaults ask', async () => {
    const path = join(agent.folder, 'access.log')
    await setDefaults({
      AccessLogs: {
        Enabled: true,
        Type: 'file',
        Path: path,
        TextFormat: '%REQ(:PATH)% %RESPONSE_CODE%',
      },
    })
    await eventually('the request is in the log', async () => {
      await call(host, app.port, '/logged')
      const text = await readFile(path, 'utf8')
      return text.includes('/logged 200\n')
    })
  })
})
