/**
 * Resolvers of hosts that forward the domain to an agent, configured as docs/how-to/forward-dns.md has it: dnsmasq, Unbound,
 * systemd-resolved, and glibc through one of them.
 *
 * Each answers addresses, SRV with ports, reverse names and a clear no, and follows the catalog: an instance that comes
 * or turns critical, and one that comes back. What needs mounts or port 53 is skipped, with its reason, where the machine
 * does not allow them: containers and ordinary users may not.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { freePort } from '../e2e/harness/free-port.ts'
import { eventually, runCommand } from '../e2e/harness/program.ts'
import { shownConfig } from './harness/how-to.ts'
import { type PeerProcess, startPeer } from './harness/peer-process.ts'
import { installedProgram, unpackedProgram } from './harness/peers.ts'

/** Nobody's user: resolvers need no rights here. */
const NOBODY = '65534'

let agent: TestAgent
let folder: string

before(async () => {
  folder = await temporaryFolder()
  agent = await startAgent({ flags: ['-node=vm-a'] })
  const nodes = [
    ['vm-b', '10.0.0.5'],
    ['vm-c', '10.0.0.6'],
  ] as const
  for (const [node, address] of nodes) {
    const service = { ID: `web-${node}`, Service: 'web', Port: 8080, Tags: [node] }
    await put('/v1/catalog/register', { Node: node, Address: address, Service: service })
  }
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function put(path: string, body: unknown): Promise<void> {
  const response = await agent.put(path, body)
  assert.equal(response.status, 200, await response.text())
}

/** What every resolver must do with the domain. */
async function forwards(peer: PeerProcess, port: number, host = '127.0.0.1'): Promise<void> {
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([`${host}:${port}`])
  const addresses = async (name = 'web.service.consul') =>
    (await resolver.resolve4(name)).sort().join(' ')
  try {
    await eventually('it answers', async () => {
      assert.ok(peer.isRunning(), 'it has ended')
      return (await addresses()) === '10.0.0.5 10.0.0.6'
    })
    assert.equal(await addresses('vm-b.web.service.consul'), '10.0.0.5')
    assert.equal(await addresses('VM-C.Node.dc1.consul'), '10.0.0.6')
    const records = await resolver.resolveSrv('_web._tcp.service.consul')
    assert.deepEqual(records.map(({ name, port, weight }) => `${name} ${port} ${weight}`).sort(), [
      'vm-b.node.dc1.consul 8080 1',
      'vm-c.node.dc1.consul 8080 1',
    ])
    assert.deepEqual(await resolver.reverse('10.0.0.5'), ['vm-b.node.dc1.consul'])
    await assert.rejects(resolver.resolve4('ghost.service.consul'), { code: 'ENOTFOUND' })
    await assert.rejects(resolver.resolve6('web.service.consul'), { code: 'ENODATA' })
    await follows(addresses)
  } catch (err) {
    throw new Error(`the resolver said: ${peer.output()}`, { cause: err })
  }
}

async function follows(addresses: () => Promise<string>): Promise<void> {
  const check = (status: string) =>
    put('/v1/catalog/register', {
      Node: 'vm-c',
      Address: '10.0.0.6',
      SkipNodeUpdate: true,
      Check: { CheckID: 'alive', Name: 'alive', Status: status, ServiceID: 'web-vm-c' },
    })
  await check('critical')
  await eventually('the instance is gone', async () => (await addresses()) === '10.0.0.5')
  await check('passing')
  await eventually('it is back', async () => (await addresses()) === '10.0.0.5 10.0.0.6')
}

/** Writes what a test adds to the configuration of the page. */
async function configFile(name: string, ...parts: readonly string[]): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, `${parts.join('\n')}\n`)
  return path
}

async function dnsmasq(t: TestContext, address: string, port: number) {
  const program = installedProgram(t, 'dnsmasq')
  if (program === undefined) return undefined
  const shown = shownConfig('/etc/dnsmasq.d/fairlead.conf', { 8600: String(agent.ready.dns) })
  const own = ['no-resolv', 'no-hosts', 'bind-interfaces', 'pid-file=', 'user=', 'group=']
  const listen = [`listen-address=${address}`, `port=${port}`]
  const path = await configFile(`dnsmasq-${port}.conf`, shown, ...own, ...listen)
  return startPeer(program, ['--keep-in-foreground', '--log-facility=-', `--conf-file=${path}`])
}

/** Whether files of the host can be covered for one process; the test is skipped if not. */
async function mayMount(t: TestContext): Promise<boolean> {
  const isAllowed = (await runCommand(['-m', 'true'], { program: 'unshare' })).code === 0
  if (!isAllowed) t.skip('mount namespaces are not allowed here')
  return isAllowed
}

describe('resolvers that forward to the agent', { timeout: 240_000 }, () => {
  it('dnsmasq', async (t) => {
    const port = await freePort()
    await using peer = await dnsmasq(t, '127.0.0.1', port)
    if (peer !== undefined) await forwards(peer, port)
  })

  it('Unbound', async (t) => {
    const program = installedProgram(t, 'unbound')
    if (program === undefined) return
    const port = await freePort()
    const shown = shownConfig('/etc/unbound/unbound.conf.d/fairlead.conf', {
      8600: String(agent.ready.dns),
    })
    const path = await configFile(
      'unbound.conf',
      `server:\n  interface: 127.0.0.1@${port}\n  chroot: ""\n  username: ""\n  pidfile: ""`,
      '  use-syslog: no\n  do-daemonize: no\n  verbosity: 1',
      shown,
    )
    await using peer = startPeer(program, ['-d', '-c', path])
    await forwards(peer, port)
  })

  it('systemd-resolved', async (t) => {
    const program = await unpackedProgram(t, {
      name: 'systemd-resolved',
      path: 'lib/systemd/systemd-resolved',
    })
    if (program === undefined) return
    const setpriv = installedProgram(t, 'setpriv')
    if (setpriv === undefined) return
    if (!(await mayMount(t))) return
    const port = await freePort()
    const shown = shownConfig('/etc/systemd/resolved.conf.d/fairlead.conf', {
      8600: String(agent.ready.dns),
    })
    // It listens on 127.0.0.53 port 53 otherwise, and asks the network for names.
    const own = ['DNSStubListener=no', `DNSStubListenerExtra=127.0.0.1:${port}`]
    const path = await configFile('resolved.conf', shown, ...own, 'LLMNR=no', 'MulticastDNS=no')
    // Without systemd as the first process, and without its bus, it runs as an ordinary user on folders of its own.
    const script = [
      'mount -t tmpfs none /run && mkdir -p /run/systemd/resolve',
      `chown ${NOBODY} /run/systemd/resolve`,
      `mount -t tmpfs none /etc/systemd && cp ${path} /etc/systemd/resolved.conf`,
      'chmod 644 /etc/systemd/resolved.conf',
      `exec ${setpriv} --reuid ${NOBODY} --regid ${NOBODY} --clear-groups --inh-caps=-all --bounding-set=-all ${program}`,
    ].join(' && ')
    await using peer = startPeer('unshare', ['-m', 'sh', '-c', script])
    await forwards(peer, port)
  })

  it('glibc, through dnsmasq on the port of DNS', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('port 53 and mounts need root')
    if (!(await mayMount(t))) return
    const address = `127.${randomInt(1, 127)}.${randomInt(255)}.${randomInt(1, 255)}`
    await using peer = await dnsmasq(t, address, 53)
    if (peer === undefined) return
    const conf = await configFile('resolv.conf', `nameserver ${address}`)
    const getent = async (...argv: readonly string[]) => {
      const script = `mount --bind ${conf} /etc/resolv.conf && exec getent ${argv.join(' ')}`
      return await runCommand(['-m', 'sh', '-c', script], { program: 'unshare' })
    }
    const ips = async (database: string, name: string) => {
      const { stdout } = await getent(database, name)
      const found = stdout.split('\n').map((line) => line.split(/\s+/)[0] ?? '')
      return [...new Set(found.filter((ip) => ip !== ''))].sort().join(' ')
    }
    await eventually('glibc finds both', async () => {
      return (await ips('ahosts', 'web.service.consul')) === '10.0.0.5 10.0.0.6'
    })
    assert.equal(await ips('hosts', 'vm-b.node.consul'), '10.0.0.5')
    assert.match(
      (await getent('hosts', '10.0.0.6')).stdout,
      /^10\.0\.0\.6 +vm-c\.node\.dc1\.consul$/m,
    )
    assert.equal((await getent('ahosts', 'ghost.service.consul')).code, 2)
  })
})
