/**
 * consul-template, compiled from its own module, against a dev agent and against a client agent of three servers: files follow
 * services and keys, also when the servers' leader dies.
 */

import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { startAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { createCluster } from '../e2e/harness/cluster.ts'
import { eventually } from '../e2e/harness/program.ts'
import { type PeerProcess, startPeer } from './harness/peer-process.ts'
import { goProgram } from './harness/peers.ts'

const RENDER_MAX_MS = 60_000

const TEMPLATE = `{{ range service "web" }}server {{ .ID }} {{ .Address }}:{{ .Port }}
{{ end }}{{ range service "web|any" }}any {{ .ID }} {{ .Status }}
{{ end }}color {{ keyOrDefault "ct/color" "none" }}
{{ range ls "ct/list" }}{{ .Key }}={{ .Value }}
{{ end }}{{ range services }}{{ if eq .Name "web" }}tags {{ .Tags | join "," }}
{{ end }}{{ end }}`

interface Rendering {
  readonly program: string
  readonly address: string
  readonly template: string
  readonly target: string
  readonly flags?: readonly string[]
}

function render({ program, address, template, target, flags = [] }: Rendering): PeerProcess {
  return startPeer(program, [
    `-consul-addr=${address}`,
    `-template=${template}:${target}`,
    ...flags,
  ])
}

async function renders(target: string, text: string, renderer: PeerProcess): Promise<void> {
  let last = ''
  await eventually(
    `the file reads\n${text}`,
    async () => {
      last = await readFile(target, 'utf8').catch(() => '')
      return last === text
    },
    RENDER_MAX_MS,
  ).catch((err: unknown) => {
    throw new Error(`it reads\n${last}\n${renderer.output()}`, { cause: err })
  })
}

async function withProgram(
  t: TestContext,
  run: (program: string, folder: string) => Promise<void>,
): Promise<void> {
  const peer = { folder: 'consul-template', package: 'github.com/hashicorp/consul-template' }
  const program = await goProgram(t, peer)
  if (program === undefined) return
  const folder = await temporaryFolder()
  try {
    await writeFile(join(folder, 'in.ctmpl'), TEMPLATE)
    await run(program, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('consul-template', () => {
  it('renders a file again whenever a service or a key changes', async (t) => {
    await withProgram(t, async (program, folder) => {
      await using agent = await startAgent()
      const address = `127.0.0.1:${agent.ready.http}`
      const target = join(folder, 'out')
      const template = join(folder, 'in.ctmpl')
      await using renderer = render({ program, address, template, target })
      await renders(target, 'color none\n', renderer)
      await agent.put('/v1/kv/ct/color', 'green')
      await agent.put('/v1/kv/ct/list/a', '1')
      await renders(target, 'color green\na=1\n', renderer)
      const check = { TTL: '10m', Status: 'passing' }
      const web = { ID: 'web-1', Name: 'web', Address: '192.0.2.1', Port: 80, Tags: ['v1', 'x'] }
      await agent.put('/v1/agent/service/register', { ...web, Check: check })
      const passing = 'server web-1 192.0.2.1:80\nany web-1 passing\ncolor green\na=1\ntags v1,x\n'
      await renders(target, passing, renderer)
      await agent.put('/v1/agent/check/fail/service:web-1')
      await renders(target, 'any web-1 critical\ncolor green\na=1\ntags v1,x\n', renderer)
      await agent.put('/v1/agent/check/pass/service:web-1')
      await renders(target, passing, renderer)
      await agent.put('/v1/agent/service/deregister/web-1')
      await fetch(`${agent.url}/v1/kv/ct/?recurse`, { method: 'DELETE' })
      await renders(target, 'color none\n', renderer)
    })
  })

  it('renders once and ends, also waiting for a key that is not there yet', async (t) => {
    await withProgram(t, async (program, folder) => {
      await using agent = await startAgent()
      const address = `127.0.0.1:${agent.ready.http}`
      const template = join(folder, 'waits.ctmpl')
      const target = join(folder, 'once')
      await writeFile(template, 'value {{ key "ct/late" }}\n')
      const flags = ['-once', '-log-level=debug']
      await using renderer = render({ program, address, template, target, flags })
      await eventually(
        'it asks for the key',
        () => renderer.output().includes('ct/late'),
        RENDER_MAX_MS,
      )
      await agent.put('/v1/kv/ct/late', 'here')
      assert.equal(await renderer.ended, 0, renderer.output())
      assert.equal(await readFile(target, 'utf8'), 'value here\n')
    })
  })

  it('shares the work among instances by a lock', async (t) => {
    await withProgram(t, async (program, folder) => {
      await using agent = await startAgent()
      await agent.put('/v1/kv/ct/color', 'red')
      const address = `127.0.0.1:${agent.ready.http}`
      const template = join(folder, 'in.ctmpl')
      const flags = ['-dedup']
      await using first = render({ program, address, template, target: join(folder, '1'), flags })
      await using second = render({ program, address, template, target: join(folder, '2'), flags })
      for (const color of ['red', 'blue']) {
        await agent.put('/v1/kv/ct/color', color)
        await renders(join(folder, '1'), `color ${color}\n`, first)
        await renders(join(folder, '2'), `color ${color}\n`, second)
      }
      const path = '/v1/kv/consul-template/dedup/?recurse'
      const keys = await agent.json<readonly { Key: string; Session?: string }[]>(path)
      assert.equal(keys.filter((each) => each.Session !== undefined).length, 1)
    })
  })

  it('goes on with a client agent whose leading server dies', async (t) => {
    await withProgram(t, async (program, folder) => {
      await using cluster = await createCluster(['s1', 's2', 's3'])
      const client = await cluster.addClient('c1')
      await cluster.startAll()
      const leader = await cluster.leader()
      const address = `127.0.0.1:${client.ports.http}`
      const target = join(folder, 'out')
      const template = join(folder, 'in.ctmpl')
      await client.put('/v1/kv/ct/color', 'before')
      await client.put('/v1/agent/service/register', { ID: 'w1', Name: 'web', Port: 80 })
      await using renderer = render({ program, address, template, target })
      const head = 'server w1 127.0.0.1:80\nany w1 passing\n'
      await renders(target, `${head}color before\ntags \n`, renderer)
      await leader.kill()
      await eventually(
        'a write is taken again',
        async () => (await client.put('/v1/kv/ct/color', 'after')).ok,
        RENDER_MAX_MS,
      )
      await renders(target, `${head}color after\ntags \n`, renderer)
    })
  })
})
