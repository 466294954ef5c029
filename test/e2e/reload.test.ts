/**
 * Reload: what files define changes while the agent runs; a wrong file changes nothing.
 */

import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

async function serviceIds(agent: TestAgent): Promise<string> {
  return Object.keys(await agent.json<object>('/v1/agent/services'))
    .sort()
    .join(' ')
}

describe('SIGHUP', () => {
  it('adds, changes and removes services of files and leaves those of the API alone', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'services.hcl')
      await writeFile(
        file,
        'service { name = "web" port = 1 }\nservice { name = "old" port = 2 }\n',
      )
      await using agent = await startAgent({ flags: [`-config-dir=${folder}`] })
      assert.equal(await serviceIds(agent), 'old web')
      await agent.put('/v1/agent/service/register', { Name: 'api', Port: 3 })
      await writeFile(
        file,
        'log_level = "debug"\nservice { name = "web" port = 10 }\nservice { name = "new" port = 4 }\n',
      )
      agent.signal('SIGHUP')
      await eventually(
        'the reload took effect',
        async () => (await serviceIds(agent)) === 'api new web',
      )
      const services = await agent.json<Record<string, { Port: number }>>('/v1/agent/services')
      assert.equal(services['web']?.Port, 10)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('takes over what dns_config says, and nothing of it when a recursor is wrong', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'dns.hcl')
      await writeFile(file, 'dns_config { node_ttl = "3s" }\n')
      await using agent = await startAgent({ flags: [`-config-dir=${folder}`] })
      const resolver = new Resolver()
      resolver.setServers([`127.0.0.1:${agent.ready.dns}`])
      const ttl = async () => {
        const [answer] = await resolver.resolve4('0a000005.addr.consul', { ttl: true })
        return answer?.ttl
      }
      assert.equal(await ttl(), 3)
      await writeFile(file, 'dns_config { node_ttl = "5s" }\n')
      assert.equal((await agent.command('reload')).code, 0)
      assert.equal(await ttl(), 5)
      await writeFile(file, 'recursors = ["1.2.3.4:99999"]\ndns_config { node_ttl = "9s" }\n')
      const refused = await agent.command('reload')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /1\.2\.3\.4:99999/)
      assert.equal(await ttl(), 5)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('changes nothing at all when a definition is refused by what is registered here', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'agent.hcl')
      await writeFile(file, 'dns_config { node_ttl = "3s" }\nservice { name = "web" port = 1 }\n')
      await using agent = await startAgent({ flags: [`-config-dir=${folder}`] })
      const resolver = new Resolver()
      resolver.setServers([`127.0.0.1:${agent.ready.dns}`])
      // A check of a service that is not there: known only where the services are.
      const wrong = 'check { id = "c" service_id = "nobody" ttl = "1h" }\n'
      await writeFile(file, `log_level = "trace"\ndns_config { node_ttl = "9s" }\n${wrong}`)
      const refused = await agent.command('reload')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /"c"/)
      const [answer] = await resolver.resolve4('0a000005.addr.consul', { ttl: true })
      assert.equal(answer?.ttl, 3)
      assert.equal(await serviceIds(agent), 'web')
      await agent.get('/v1/status/leader')
      assert.doesNotMatch(agent.output(), /"@level":"trace"/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('keeps the former configuration when the new one is wrong, and says why', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'services.hcl')
      await writeFile(file, 'service { name = "web" port = 1 }\n')
      await using agent = await startAgent({ flags: [`-config-dir=${folder}`] })
      await writeFile(file, 'service { name = "other" prot = 1 }\n')
      const reloaded = await agent.command('reload')
      assert.equal(reloaded.code, 1)
      assert.match(reloaded.stderr, /prot/)
      agent.signal('SIGHUP')
      await eventually('the log says so', () => agent.output().includes('reload failed'))
      assert.equal(await serviceIds(agent), 'web')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('a reload', () => {
  it('takes over node meta, limits and output, and names what needs a restart', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'agent.hcl')
      await writeFile(file, 'node_meta { rack = "1" }\nsession_ttl_min = "20s"\n')
      await using agent = await startAgent({ flags: [`-config-file=${file}`] })
      const inCatalog = async (): Promise<string | undefined> => {
        const nodes = await agent.json<{ Meta: Record<string, string> }[]>('/v1/catalog/nodes')
        return nodes[0]?.Meta['rack']
      }
      await eventually('the catalog has the node', async () => (await inCatalog()) === '1')
      await writeFile(
        file,
        'node_meta { rack = "2" }\nsession_ttl_min = "30s"\nmax_query_time = "1m"\n',
      )
      assert.equal((await agent.command('reload')).code, 0)
      await eventually('the catalog has the new meta', async () => (await inCatalog()) === '2')
      // Whole lines: the last one may still be on its way.
      const toldOf = (): { key: string; origin: string }[] =>
        agent
          .output()
          .split('\n')
          .slice(0, -1)
          .filter((line) => line.includes('takes effect when the agent is restarted'))
          .map((line) => JSON.parse(line))
      await eventually('both keys are told', () => toldOf().length >= 2)
      const restarts = toldOf()
      assert.deepEqual(
        restarts.map(({ key, origin }) => [key, origin]),
        [
          ['max_query_time', `${file}:3:18`],
          ['session_ttl_min', `${file}:2:19`],
        ],
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  for (const kind of ['file', 'folder'] as const) {
    it(`comes by itself when a ${kind} of the command line changes, where that is wanted`, async () => {
      const folder = await temporaryFolder()
      try {
        const file = join(folder, 'services.hcl')
        await writeFile(file, 'service { name = "web" port = 1 }\n')
        await using agent = await startAgent({
          flags: [`-config-dir=${kind === 'file' ? file : folder}`, '-auto-reload-config'],
        })
        assert.equal(await serviceIds(agent), 'web')
        // As tools do: a new file takes the place of the old one.
        await writeFile(`${file}.new`, 'service { name = "api" port = 1 }\n')
        await rename(`${file}.new`, file)
        await eventually(
          'the new service is there',
          async () => (await serviceIds(agent)) === 'api',
        )
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  }
})
