/**
 * Load balancers that find their servers by DNS at an agent, configured as docs/how-to/forward-dns.md has it: HAProxy by SRV,
 * NGINX by A. They take new instances in, leave out sick ones, and take them back.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { freePort } from '../e2e/harness/free-port.ts'
import { eventually } from '../e2e/harness/program.ts'
import { shownConfig } from './harness/how-to.ts'
import { startPeer } from './harness/peer-process.ts'
import { installedProgram } from './harness/peers.ts'

const FOLLOW_MAX_MS = 30_000

let folder: string
let agent: TestAgent

before(async () => {
  folder = await temporaryFolder()
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

interface Instance extends AsyncDisposable {
  readonly id: string
  setStatus(status: 'pass' | 'fail'): Promise<void>
}

/** A web server that says who it is, registered with a check that the test sets. */
async function startInstance(
  service: string,
  { id, address, port }: { readonly id: string; readonly address: string; readonly port: number },
): Promise<Instance> {
  const server: Server = createServer((_request, response) => {
    response.setHeader('connection', 'close').end(id)
  })
  server.listen(port, address)
  await once(server, 'listening')
  await using started = new AsyncDisposableStack()
  started.defer(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const registered = await agent.put('/v1/agent/service/register', {
    Name: service,
    ID: id,
    Address: address,
    Port: port,
    Check: { CheckID: id, TTL: '10m', Status: 'passing' },
  })
  assert.equal(registered.status, 200, await registered.text())
  const stack = started.move()
  return {
    id,
    setStatus: async (status) => {
      assert.equal((await agent.put(`/v1/agent/check/${status}/${id}`)).status, 200)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Who answers, over enough calls that everybody had a turn. */
async function answering(port: number): Promise<string> {
  const seen = new Set<string>()
  for (let i = 0; i < 24; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/`)
    seen.add(response.ok ? await response.text() : String(response.status))
  }
  return [...seen].sort().join(' ')
}

async function answers(port: number, wanted: string, output: () => string): Promise<void> {
  let last = ''
  await eventually(
    `"${wanted}" answers`,
    async () => {
      last = await answering(port)
      return last === wanted
    },
    FOLLOW_MAX_MS,
  ).catch((err: unknown) => {
    throw new Error(`last "${last}": ${output()}`, { cause: err })
  })
}

describe('load balancers that ask the agent', { timeout: 240_000 }, () => {
  it('HAProxy fills its server-template by SRV, drops servers and takes them back', async (t) => {
    const program = installedProgram(t, 'haproxy')
    if (program === undefined) return
    const port = await freePort()
    const socket = join(folder, 'haproxy.sock')
    const shown = shownConfig('/etc/haproxy/haproxy.cfg', {
      8600: String(agent.ready.dns),
      '_web._tcp': '_hap._tcp',
    })
    const config = `global
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend web
${shown}`
    const path = join(folder, 'haproxy.cfg')
    await writeFile(path, config)
    await using first = await startInstance('hap', { id: 'h1', ...(await at('127.0.0.2')) })
    await using second = await startInstance('hap', { id: 'h2', ...(await at('127.0.0.3')) })
    await using peer = startPeer(program, ['-db', '-f', path])
    await answers(port, 'h1 h2', peer.output)
    // More than the three that fit where nothing is said about sizes, and on one host.
    await using stack = new AsyncDisposableStack()
    const more: Instance[] = []
    for (const id of ['h3', 'h4', 'h5']) {
      more.push(stack.use(await startInstance('hap', { id, ...(await at('127.0.0.4')) })))
    }
    await answers(port, 'h1 h2 h3 h4 h5', peer.output)
    assert.equal((await serversUp(socket)).length, 5)
    await second.setStatus('fail')
    await answers(port, 'h1 h3 h4 h5', peer.output)
    await second.setStatus('pass')
    await answers(port, 'h1 h2 h3 h4 h5', peer.output)
    for (const instance of [...more, second]) await instance.setStatus('fail')
    await answers(port, 'h1', peer.output)
    await first.setStatus('fail')
    // NXDOMAIN: nobody is left.
    await answers(port, '503', peer.output)
    assert.deepEqual(await serversUp(socket), [])
    await first.setStatus('pass')
    await answers(port, 'h1', peer.output)
  })

  it('NGINX resolves a variable upstream again and again', async (t) => {
    const program = installedProgram(t, 'nginx')
    if (program === undefined) return
    const port = await freePort()
    const target = await freePort()
    const shown = shownConfig('/etc/nginx/conf.d/web.conf', {
      8600: String(agent.ready.dns),
      8080: String(port),
      9090: String(target),
      'web.service': 'ngx.service',
    })
    const path = join(folder, 'nginx.conf')
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
      return `${name}_temp_path ${folder}/${name};`
    })
    await writeFile(
      path,
      `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
access_log off;
${temp.join('\n')}
${shown}}
`,
    )
    await using first = await startInstance('ngx', { id: 'n1', address: '127.0.0.2', port: target })
    await using second = await startInstance('ngx', {
      id: 'n2',
      address: '127.0.0.3',
      port: target,
    })
    await using peer = startPeer(program, ['-c', path, '-p', folder])
    await eventually('it listens', async () => {
      assert.ok(peer.isRunning(), peer.output())
      return (await fetch(`http://127.0.0.1:${port}/`)).ok
    })
    await answers(port, 'n1 n2', peer.output)
    await second.setStatus('fail')
    await answers(port, 'n1', peer.output)
    await second.setStatus('pass')
    await first.setStatus('fail')
    await answers(port, 'n2', peer.output)
    await second.setStatus('fail')
    await answers(port, '502', peer.output)
    await first.setStatus('pass')
    await answers(port, 'n1', peer.output)
  })
})

async function at(address: string): Promise<{ address: string; port: number }> {
  return { address, port: await freePort() }
}

/** By the statistics of HAProxy: the slots of the backend that hold a healthy server. */
async function serversUp(socketPath: string): Promise<readonly string[]> {
  const socket = connect(socketPath)
  socket.write('show stat web 4 -1\n')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  const [head = '', ...rows] = text.trim().split('\n')
  const columns = head.replace(/^# /, '').split(',')
  const status = columns.indexOf('status')
  assert.ok(status > 0, text)
  return rows
    .map((row) => row.split(','))
    .filter((row) => row[status]?.startsWith('UP'))
    .map((row) => row[1] ?? '')
}
