/**
 * From nothing to a secure cluster by `fairlead init` and `fairlead join`: a first server, a second one and two clients, each
 * with folders of its own; what they may do, and what a join token is good for and what not.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import {
  eventually,
  type Finished,
  finished,
  kill,
  PROGRAM,
  processesMentioning,
  runCommand,
} from './harness/program.ts'

const WAIT_MS = 60_000

class Host {
  readonly name: string
  readonly configDir: string
  readonly dataDir: string
  readonly http: number
  readonly #child: { process: ChildProcess; ended: Promise<Finished> }[] = []
  output = ''

  private constructor(name: string, folder: string, http: number) {
    this.name = name
    this.configDir = join(folder, 'etc')
    this.dataDir = join(folder, 'data')
    this.http = http
  }

  static async make(root: string, name: string): Promise<Host> {
    const host = new Host(name, join(root, name), await freePort())
    await mkdir(host.configDir, { recursive: true })
    const [dns, server, serf] = [await freePort(), await freePort(), await freePort()]
    // As an operator may have it there already.
    await writeFile(
      join(host.configDir, 'ports.hcl'),
      `ports { http = ${host.http} dns = ${dns} server = ${server} serf_lan = ${serf} grpc_tls = -1 }
       retry_interval = "500ms"
       performance { raft_multiplier = 1 }
       gossip_lan { probe_interval = "500ms" probe_timeout = "250ms" gossip_interval = "100ms" }`,
    )
    return host
  }

  run(...argv: readonly string[]): Promise<Finished> {
    const where = [
      `-config-dir=${this.configDir}`,
      `-data-dir=${this.dataDir}`,
      `-node=${this.name}`,
      '-bind=127.0.0.1',
    ]
    const [command = '', ...rest] = argv
    return runCommand([command, ...where, ...rest], { timeoutMs: 120_000 })
  }

  start(): void {
    const child = spawn(PROGRAM, ['agent', `-config-dir=${this.configDir}`, '-log-json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.#child.push({ process: child, ended: finished(child) })
  }

  async end(): Promise<void> {
    for (const { process, ended } of this.#child) {
      process.kill('SIGKILL')
      await ended
    }
  }

  async ask(
    token: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.http}${path}`, {
      method,
      headers: { 'X-Consul-Token': token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text() }
  }

  command(token: string, ...argv: readonly string[]): Promise<Finished> {
    const env = { CONSUL_HTTP_ADDR: `127.0.0.1:${this.http}`, CONSUL_HTTP_TOKEN: token }
    return runCommand(argv, { env })
  }
}

function ok(result: Finished): Finished {
  assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`)
  return result
}

function joinTokens(output: string): readonly string[] {
  return [...output.matchAll(/fairlead join (flj1_\S+)/g)].map((match) => match[1] ?? '')
}

test('an init that fails leaves nothing, and the next one works', async () => {
  const root = await temporaryFolder()
  try {
    const host = await Host.make(root, 's1')
    const wrong = join(host.configDir, 'wrong.hcl')
    await writeFile(wrong, 'no_such_key = 1')
    const refused = await host.run('init')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /invalid config key no_such_key/)
    // It fails later: the port of its API is taken by what was there before.
    const taken = createServer()
    taken.listen(host.http, '127.0.0.1')
    await once(taken, 'listening')
    await writeFile(wrong, '')
    const late = await host.run('init')
    taken.close()
    assert.equal(late.code, 1)
    assert.match(late.stderr, /The new server was not set up/)
    const left = await readdir(host.configDir, { recursive: true })
    assert.deepEqual(left.sort(), ['ports.hcl', 'tls', 'wrong.hcl'])
    assert.deepEqual(await readdir(host.dataDir), [])
    ok(await host.run('init'))
  } finally {
    for (const pid of processesMentioning(root)) kill(pid)
    await rm(root, { recursive: true, force: true })
  }
})

test('init, and two kinds of hosts that join', async () => {
  const root = await temporaryFolder()
  const hosts: Host[] = []
  const add = async (name: string): Promise<Host> => {
    const host = await Host.make(root, name)
    hosts.push(host)
    return host
  }
  try {
    const first = await add('s1')
    const made = ok(await first.run('init'))
    const [serverToken = '', clientToken = ''] = joinTokens(made.stdout)
    assert.notEqual(clientToken, '', made.stdout)
    for (const name of ['init.hcl', 'tls/ca-key.pem', 'secrets/management-token']) {
      assert.equal((await stat(join(first.configDir, name))).mode & 0o777, 0o600, name)
    }
    assert.equal((await stat(join(first.dataDir, 'tls/server.pem'))).mode & 0o777, 0o600)
    const management = (
      await readFile(join(first.configDir, 'secrets/management-token'), 'utf8')
    ).trim()

    const again = await first.run('init')
    assert.equal(again.code, 1)
    assert.match(again.stderr, /part of a cluster already/)

    first.start()
    const ask = first.ask.bind(first)
    await eventually(
      'the first server leads',
      async () => (await ask(management, 'PUT', '/v1/kv/a', 'x')).text.trim() === 'true',
      WAIT_MS,
    )
    // Nothing is open.
    const closed = await ask('', 'GET', '/v1/kv/a')
    assert.equal(closed.status, 403)

    const client = await add('c1')
    const joined = ok(await client.run('join', clientToken))
    assert.match(joined.stderr, /let in as client "c1" of datacenter dc1/)
    assert.equal(existsSync(join(client.configDir, 'tls/ca-key.pem')), false)
    assert.equal((await stat(join(client.configDir, 'join.hcl'))).mode & 0o777, 0o600)
    const begun = Date.now()
    client.start()
    await eventually(
      'the client is a member in good health',
      async () => {
        const { text } = await ask(management, 'GET', '/v1/health/node/c1')
        return text.includes('"Status":"passing"')
      },
      WAIT_MS,
    )
    assert.ok(Date.now() - begun < WAIT_MS)

    // Full: services of the host work, with a token for them; and no more than that.
    const service = JSON.parse(
      (
        await ask(management, 'PUT', '/v1/acl/token', {
          ServiceIdentities: [{ ServiceName: 'web' }],
        })
      ).text,
    ) as { SecretID: string }
    // Others know it as a member before its own API is there.
    await eventually(
      'the API of the client',
      async () => (await client.ask('', 'GET', '/v1/status/leader')).status === 200,
      WAIT_MS,
    )
    const registered = await client.ask(service.SecretID, 'PUT', '/v1/agent/service/register', {
      Name: 'web',
      Port: 80,
    })
    assert.equal(registered.status, 200, registered.text)
    await eventually(
      'the service of the client is in the catalog',
      async () =>
        (await ask(management, 'GET', '/v1/catalog/service/web')).text.includes('"Node":"c1"'),
      WAIT_MS,
    )
    const config = await readFile(join(client.configDir, 'join.hcl'), 'utf8')
    const agentToken = /agent = "([0-9a-f-]{36})"/.exec(config)?.[1] ?? ''
    const foreign = { Node: 's1', Address: '10.9.9.9' }
    const taken = await client.ask(agentToken, 'PUT', '/v1/catalog/register', foreign)
    assert.equal(taken.status, 403, taken.text)
    assert.equal((await client.ask(agentToken, 'GET', '/v1/kv/a')).status, 403)
    assert.equal((await client.ask(agentToken, 'GET', '/v1/acl/tokens')).status, 403)
    const minted = await client.ask(agentToken, 'PUT', '/v1/operator/join-token', {})
    assert.equal(minted.status, 403)

    // A further server, and it takes part.
    const second = await add('s2')
    const asServer = ok(await second.run('join', serverToken))
    assert.match(asServer.stderr, /let in as server "s2"/)
    second.start()
    await eventually(
      'the second server is in Raft',
      async () => {
        const { text } = await ask(management, 'GET', '/v1/operator/raft/configuration')
        return text.includes('"Node":"s2"')
      },
      WAIT_MS,
    )
    await eventually(
      'a write through the second server',
      async () => (await second.ask(management, 'PUT', '/v1/kv/b', 'y')).text.trim() === 'true',
      WAIT_MS,
    )

    // A token for one use, made at the second server, and what it is not good for.
    const created = ok(await second.command(management, 'join-token', 'create', '-ttl=10m'))
    const [single = ''] = joinTokens(created.stdout)
    const listed = ok(await second.command(management, 'join-token', 'list', '-format=json'))
    assert.equal((JSON.parse(listed.stdout) as unknown[]).length, 3)
    assert.doesNotMatch(listed.stdout, /secret/i)
    const impostor = await add('s1-again')
    const asFirst = await runCommand([
      'join',
      `-config-dir=${impostor.configDir}`,
      `-data-dir=${impostor.dataDir}`,
      '-node=s1',
      single,
    ])
    assert.equal(asFirst.code, 1)
    assert.match(asFirst.stderr, /node "s1" is in the cluster already/)
    assert.equal(existsSync(join(impostor.configDir, 'join.hcl')), false)
    const third = await add('c2')
    ok(await third.run('join', single))
    third.start()
    await eventually(
      'the second client is a member in good health',
      async () =>
        (await ask(management, 'GET', '/v1/health/node/c2')).text.includes('"Status":"passing"'),
      WAIT_MS,
    )
    const late = await add('c3')
    const usedUp = await late.run('join', single)
    assert.equal(usedUp.code, 1)
    assert.match(usedUp.stderr, /used up, deleted, or over/)

    // Somebody else's servers get no secret: the authority is not that of the token.
    const decoded = JSON.parse(
      Buffer.from(clientToken.slice(5), 'base64url').toString(),
    ) as unknown[]
    decoded[2] = Buffer.alloc(32, 1).toString('base64url')
    const forged = `flj1_${Buffer.from(JSON.stringify(decoded)).toString('base64url')}`
    const elsewhere = await late.run('join', forged)
    assert.equal(elsewhere.code, 1)
    assert.match(elsewhere.stderr, /its authority is another/)
    const broken = await late.run('join', `${clientToken.slice(0, -20)}`)
    assert.equal(broken.code, 1)
    assert.match(broken.stderr, /no join token, or a part of one/)
  } catch (err) {
    for (const host of hosts) console.error(`--- ${host.name}\n${host.output.slice(-3_000)}`)
    throw err
  } finally {
    for (const host of hosts) await host.end()
    for (const pid of processesMentioning(root)) kill(pid)
    await rm(root, { recursive: true, force: true })
  }
})
