/**
 * h2spec, the conformance suite of HTTP/2, against an outbound listener; nghttp and h2load, the client and the load generator
 * of nghttp2, through two proxies.
 */

import assert from 'node:assert/strict'
import { createServer as createHttp1 } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { Server } from 'node:net'
import { describe, it } from 'node:test'
import type { ProxyProtocol } from '../../core/mesh/proxy-snapshot.ts'
import { runCommand } from '../e2e/harness/program.ts'
import {
  listening,
  Mesh,
  outboundListener,
  portOf,
  serverPort,
} from '../integration/proxy/mesh-fixture.ts'
import { goProgram, installedProgram } from './harness/peers.ts'

const H2SPEC = 'github.com/summerwind/h2spec/cmd/h2spec'
const ANSWER = 'hello '.repeat(500)

interface Setting extends AsyncDisposable {
  readonly mesh: Mesh
}

/** @param app the version of HTTP that the application speaks */
async function start(protocol: ProxyProtocol, app: 1 | 2): Promise<Setting> {
  const reply = (outgoing: { end(text: string): unknown }): void => {
    outgoing.end(ANSWER)
  }
  const server =
    app === 1
      ? createHttp1((incoming, outgoing) => {
          incoming.resume().on('end', () => reply(outgoing))
        })
      : createHttp2((incoming, outgoing) => {
          incoming.resume().on('end', () => reply(outgoing))
        })
  await listening(server as Server)
  const inboundProtocol = app === 1 ? 'http' : 'http2'
  const mesh = await Mesh.start(serverPort(server as Server), { protocol, inboundProtocol })
  return {
    mesh,
    [Symbol.asyncDispose]: async () => {
      mesh.close()
      server.close()
    },
  }
}

describe('h2spec', { timeout: 600_000 }, () => {
  it('finds nothing wrong with a listener for HTTP/2', async (t) => {
    const program = await goProgram(t, { folder: 'h2spec', package: H2SPEC })
    if (program === undefined) return
    await using setting = await start('http2', 1)
    const argv = ['-h', '127.0.0.1', '-p', String(setting.mesh.port), '-o', '10']
    const { stdout, stderr } = await runCommand(argv, { program })
    const failures = stdout.slice(stdout.indexOf('Failures:'))
    assert.match(stdout, /\b145 tests, 145 passed, 0 skipped, 0 failed/, `${failures}\n${stderr}`)
  })
})

describe('nghttp2', { timeout: 300_000 }, () => {
  for (const app of [1, 2] as const) {
    it(`gets an answer of an application of HTTP/${app} by nghttp`, async (t) => {
      const program = installedProgram(t, 'nghttp')
      if (program === undefined) return
      await using setting = await start('http2', app)
      const url = `http://127.0.0.1:${setting.mesh.port}/a`
      // Large heads with cookies, padding, and a body: what its encoder does differs from Node's.
      const argv = [
        '-v',
        '--no-dep',
        '-b',
        '64',
        '-H',
        'cookie: a=1',
        '-H',
        `x-long: ${'y'.repeat(9000)}`,
        url,
      ]
      const { code, stdout, stderr } = await runCommand(argv, { program })
      assert.equal(code, 0, stderr)
      assert.match(stdout, /:status: 200/)
      assert.ok(stdout.includes(ANSWER))
      assert.match(stdout, /send GOAWAY frame/)
    })

    it(`carries the load of h2load to an application of HTTP/${app}`, async (t) => {
      const program = installedProgram(t, 'h2load')
      if (program === undefined) return
      await using setting = await start('http2', app)
      const url = `http://127.0.0.1:${setting.mesh.port}/a`
      const argv = ['-n', '4000', '-c', '8', '-m', '50', url]
      const { code, stdout, stderr } = await runCommand(argv, { program })
      assert.equal(code, 0, stderr)
      assert.match(
        stdout,
        /4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed, 0 errored, 0 timeout/,
      )
      assert.match(stdout, /4000 2xx, 0 3xx, 0 4xx, 0 5xx/)
    })
  }

  it('is carried by a listener for HTTP/1 as well, and one for anything', async (t) => {
    const program = installedProgram(t, 'nghttp')
    if (program === undefined) return
    await using setting = await start('http', 1)
    const { mesh } = setting
    const auto = { ...outboundListener('auto'), id: 'any' }
    await mesh.configureCaller({ outbound: [...mesh.callerSnapshot.outbound, auto] })
    for (const port of [mesh.port, portOf(mesh.caller, 'any')]) {
      const { stdout, stderr } = await runCommand(['-v', `http://127.0.0.1:${port}/a`], { program })
      assert.match(stdout, /:status: 200/, stderr)
    }
  })
})
