/**
 * Reload: what files define changes while the agent runs; a wrong file changes nothing.
 */

import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
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
