/**
 * The life of the process: ready soon, honest about what it cannot do, gone without a trace.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import { eventually, PROGRAM, processesMentioning, runCommand } from './harness/program.ts'

/** Well under a second on an idle machine; tests share theirs. */
const READY_MAX_MS = 5_000

describe('start', () => {
  it('serves HTTP with a leader when it says it is ready, and soon', async () => {
    await using agent = await startAgent()
    assert.match(await agent.json<string>('/v1/status/leader'), /^127\.0\.0\.1:\d+$/)
    assert.ok(agent.ready.durationMs < READY_MAX_MS, `took ${agent.ready.durationMs} ms`)
  })

  it('prints where everything listens, for people, and removes its pid file', async () => {
    const folder = await temporaryFolder()
    const pidFile = join(folder, 'pid')
    const argv = ['agent', '-dev', '-http-port=0', '-dns-port=0', '-server-port=0', '-node=vm-a']
    const child = spawn(PROGRAM, [...argv, `-pid-file=${pidFile}`], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      await eventually('the banner', () => stdout.includes('agent is ready'))
      assert.equal(Number(await readFile(pidFile, 'utf8')), child.pid)
      assert.match(stdout, /^==> Starting Fairlead agent\.\.\.\n/)
      assert.match(stdout, /^ +Node name: 'vm-a'$/m)
      assert.match(stdout, /^ +Client Addr: \[127\.0\.0\.1\] \(HTTP: \d+, .*DNS: \d+\)$/m)
      assert.match(stdout, /^ +HTTP API +http:\/\/127\.0\.0\.1:\d+/m)
      assert.match(stdout, /==> Log data will now stream in as it occurs:\n\d{4}-/)
      child.kill('SIGINT')
      await eventually('the agent ended', () => child.exitCode !== null)
      assert.equal(child.exitCode, 0)
      assert.ok(!existsSync(pidFile))
    } finally {
      child.kill('SIGKILL')
      await rm(folder, { recursive: true })
    }
  })

  it('refuses a port that is taken, naming it, with exit code 1', async () => {
    await using agent = await startAgent()
    const second = await runCommand([
      'agent',
      '-dev',
      '-dns-port=0',
      '-server-port=0',
      `-http-port=${agent.ready.http}`,
    ])
    assert.equal(second.code, 1)
    assert.match(second.stderr, /The agent could not start/)
    assert.ok(second.stderr.includes(String(agent.ready.http)), second.stderr)
  })

  it('refuses a data directory that another agent uses, and ends', async () => {
    const dataDir = await temporaryFolder()
    try {
      await using _agent = await startAgent({ dataDir })
      const second = await runCommand([
        'agent',
        '-server',
        '-bootstrap-expect=1',
        '-bind=127.0.0.1',
        `-data-dir=${dataDir}`,
        '-http-port=0',
        '-dns-port=0',
        '-server-port=0',
      ])
      assert.equal(second.code, 1)
      assert.match(second.stderr, /another agent uses this data directory/)
      assert.doesNotMatch(second.stderr, /were left open/)
    } finally {
      await rm(dataDir, { recursive: true })
    }
  })

  it('reports every problem of flags and files at once and starts nothing', async () => {
    const folder = await temporaryFolder()
    try {
      await writeFile(join(folder, 'x.hcl'), 'prots { http = 1 }\nretry_interval = "10"\n')
      const { code, stderr, stdout } = await runCommand([
        'agent',
        '-server',
        '-dta-dir=x',
        '-raft-protocol=2',
        `-config-dir=${folder}`,
      ])
      assert.equal(code, 1)
      assert.equal(stdout, '')
      for (const wanted of [
        'did you mean -data-dir?',
        'did you mean "ports"?',
        'time: missing unit in duration "10"',
        'raft_protocol version 2 is not supported',
        'data_dir cannot be empty',
      ]) {
        assert.ok(stderr.includes(wanted), `missing: ${wanted}\n${stderr}`)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('stop', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends with exit code 0 on ${signal}, leaving no process and no file`, async () => {
      await using agent = await startAgent()
      await agent.put('/v1/agent/service/register', {
        Name: 'web',
        Port: 9,
        Connect: { SidecarService: {} },
      })
      agent.signal(signal)
      const { code } = await agent.ended
      assert.equal(code, 0, agent.output())
      assert.match(agent.output(), /"@message":"stopped"/)
      assert.doesNotMatch(agent.output(), /were left open/)
      await eventually('no child is left', () => processesMentioning(agent.folder).length === 0)
      assert.deepEqual(await readdir(agent.folder), [])
    })
  }

  it('refuses new connections and ends reads that wait', async () => {
    await using agent = await startAgent()
    const response = await agent.get('/v1/catalog/nodes')
    const index = response.headers.get('x-consul-index')
    await response.text()
    const waiting = agent.get(`/v1/catalog/nodes?index=${index}&wait=60s`)
    // The waiting read went first: once later requests are answered, the agent has it.
    for (let i = 0; i < 3; i++) await agent.json('/v1/status/leader')
    agent.signal('SIGTERM')
    const answer = await waiting
    assert.match(await answer.text(), /shutting down/)
    assert.equal((await agent.ended).code, 0)
    await assert.rejects(agent.get('/v1/status/leader'))
  })
})

describe('log files', () => {
  it('get what standard output gets, and are turned over', async () => {
    const folder = await temporaryFolder()
    try {
      await using agent = await startAgent({
        flags: [`-log-file=${folder}/`, '-log-rotate-bytes=400', '-log-level=debug'],
      })
      const names = await eventually('there are several files', async () => {
        const found = (await readdir(folder)).sort()
        return found.length >= 3 && found
      })
      assert.ok(
        names.every((name) => /^fairlead-[0-9]{13}\.log$/.test(name)),
        names.join(' '),
      )
      await eventually('the files have the line that says the agent is ready', async () => {
        const texts = await Promise.all(
          (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
        )
        return texts.some((text) => text.includes('"agent is ready"'))
      })
      assert.match(agent.output(), /"agent is ready"/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('that cannot be written stop the start', async () => {
    const refused = await runCommand(['agent', '-dev', '-log-file=/no/such/folder/'])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /log_file cannot be written: ENOENT/)
  })
})

it('gossip listens at serf_lan alone', async () => {
  await using agent = await startAgent({
    flags: ['-serf-lan-bind=127.0.0.2', '-advertise=127.0.0.2'],
  })
  const { Member } = await agent.json<{ Member: { Port: number } }>('/v1/agent/self')
  const ports = async (host: string): Promise<string> => {
    const { stdout } = await agent.command(
      'troubleshoot',
      'ports',
      `-host=${host}`,
      `-ports=${Member.Port}`,
    )
    return stdout
  }
  assert.match(await ports('127.0.0.2'), /is open$/m)
  assert.match(await ports('127.0.0.1'), /is not reachable: connection refused$/m)
})
