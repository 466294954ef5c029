/**
 * Transparent access from beginning to end, inside a network namespace that the test made: two services of one host, a
 * client that knows nothing, another host, and the packet filter as it was before.
 *
 * Run by transparent.test.ts as root of new network and mount namespaces; exit code 0 when all is as it must be.
 */

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startAgent } from '../harness/agent.ts'
import { intend, register, sharedAddress } from '../harness/mesh.ts'
import { eventually, runCommand } from '../harness/program.ts'

const OTHER = 'flother'
const PROXY_ID = 'web-sidecar-proxy'
/** No user of the agent, which is root here. */
const NOBODY = '65534'

function sh(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What the kernel has: rules and routes. */
function filters(): string {
  return `${sh('nft', 'list', 'ruleset')}\n${sh('ip', '-4', 'route', 'show', 'table', 'all')}`
}

/** A real client without any knowledge of the mesh. @returns status and body, or the exit code of curl */
async function curl(url: string, ...prefix: readonly string[]): Promise<string> {
  const [program = 'setpriv', ...rest] =
    prefix.length > 0 ? prefix : ['setpriv', `--reuid=${NOBODY}`, '--clear-groups']
  const argv = [...rest, 'curl', '-s', '-S', '-m', '5', '-w', ' %{http_code}', url]
  const { code, stdout } = await runCommand(argv, { program })
  return code === 0 ? stdout : `curl ${code}`
}

async function serve(name: string, address: string): Promise<Server & { readonly port: number }> {
  const server = createServer((_incoming, response) => response.end(name))
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return Object.assign(server, { port: (server.address() as AddressInfo).port })
}

async function is(what: string, wanted: string, probe: () => Promise<string>): Promise<void> {
  let last = ''
  await eventually(`${what}: ${wanted}`, async () => {
    last = await probe()
    return last === wanted
  }).catch((err: unknown) => {
    throw new Error(`${what} gave "${last}", wanted "${wanted}"`, { cause: err })
  })
}

sh('ip', 'link', 'set', 'lo', 'up')
sh('mount', '-t', 'tmpfs', 'tmpfs', '/run')
sh('ip', 'netns', 'add', OTHER)
sh('ip', 'link', 'add', 'fla', 'type', 'veth', 'peer', 'name', 'flb', 'netns', OTHER)
sh('ip', 'addr', 'add', '10.77.0.1/24', 'dev', 'fla')
sh('ip', 'link', 'set', 'fla', 'up')
sh('ip', '-n', OTHER, 'addr', 'add', '10.77.0.2/24', 'dev', 'flb')
sh('ip', '-n', OTHER, 'link', 'set', 'flb', 'up')
sh('nft', 'add table inet others; add chain inet others c { type filter hook input priority 0; }')
const before = filters()

const FAR = "require('node:http').createServer((_, r) => r.end('far')).listen(8080)"
const far = spawn('ip', ['netns', 'exec', OTHER, process.execPath, '-e', FAR], { stdio: 'ignore' })
const agent = await startAgent()
const payments = await serve('payments', '0.0.0.0')
const plain = await serve('plain', '10.77.0.1')
try {
  for (const [name, port, proxy] of [
    ['payments', payments.port, {}],
    ['web', 1, { Proxy: { Mode: 'transparent' } }],
  ] as const) {
    await register(agent, { Name: name, Port: port, Connect: { SidecarService: proxy } })
  }
  const loopback = await sharedAddress(agent, 'payments')
  const virtualIp = loopback.replace('127.128.', '240.0.')
  const manual = { Service: 'payments', ManualVIPs: ['10.96.0.7'] }
  assert.equal((await agent.put('/v1/internal/service-virtual-ip', manual)).status, 200)
  assert.match(await curl(`http://${virtualIp}:1234/`), /^curl 7$/)

  const redirect = async (...flags: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await agent.command('connect', 'redirect-traffic', ...flags)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const settings = [
    `-proxy-id=${PROXY_ID}`,
    '-proxy-uid=0',
    `-consul-dns-port=${agent.ready.dns}`,
    `-exclude-inbound-port=${plain.port}`,
  ]
  const printed = await redirect(...settings, '-dry-run')
  assert.equal(filters(), before, 'a dry run changes nothing')
  assert.match(printed, /ip daddr 10\.96\.0\.7 /)

  await redirect(...settings)
  const once = sh('nft', 'list', 'ruleset')
  await redirect(...settings)
  assert.equal(sh('nft', 'list', 'ruleset'), once, 'twice is as once')

  await is('any port of a virtual address', 'payments 200', () => curl(`http://${virtualIp}:1234/`))
  await is('an address by hand', 'payments 200', () => curl('http://10.96.0.7/'))
  await is('the name', 'payments 200', () => curl('http://payments.virtual.consul/'))
  // Each call is judged as one of web's.
  await intend(agent, 'web', 'payments', 'deny')
  await is('a forbidden call', ' 403', async () => {
    const answer = await curl(`http://${virtualIp}:1234/`)
    return answer.slice(answer.lastIndexOf(' '))
  })
  await intend(agent, 'web', 'payments', 'allow')
  await is('an allowed call', 'payments 200', () => curl(`http://${virtualIp}:1234/`))

  // Elsewhere: what is no destination of the mesh is left alone, unless the mesh says otherwise.
  const elsewhere = `http://10.77.0.1:${plain.port}/`
  const from = (url: string) => curl(url, 'ip', 'netns', 'exec', OTHER)
  await is('an excluded port from another host', 'plain 200', () => from(elsewhere))
  const other = `http://10.77.0.1:${payments.port}/`
  assert.doesNotMatch(
    await from(other),
    /^payments/,
    'plain calls from elsewhere end at the sidecar',
  )
  assert.equal(await curl(elsewhere), 'plain 200')
  await is('a host elsewhere', 'far 200', () => curl('http://10.77.0.2:8080/'))

  const mesh = { Kind: 'mesh', TransparentProxy: { MeshDestinationsOnly: true } }
  assert.equal((await agent.put('/v1/config', mesh)).status, 200)
  await redirect(...settings)
  assert.equal(await curl('http://10.77.0.2:8080/'), 'curl 7')
  await is('the mesh alone', 'payments 200', () => curl(`http://${virtualIp}/`))

  await redirect('-undo')
  assert.equal(filters(), before, 'all is as it was')
  await redirect('-undo')
  assert.equal(filters(), before, 'undone twice is undone')
  await is('after the undo', 'payments 200', () => from(other))
  assert.match(await curl(`http://${virtualIp}:1234/`), /^curl 7$/)
} catch (err) {
  process.stderr.write(`${agent.output().slice(-4000)}\n`)
  throw err
} finally {
  far.kill('SIGKILL')
  for (const server of [payments, plain]) {
    server.closeAllConnections()
    server.close()
  }
  await agent[Symbol.asyncDispose]()
}
