/**
 * Config entries of the configuration: written where there are none, never over what is there.
 */

import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { eventually, runCommand } from './harness/program.ts'

const FILE = `
config_entries {
  bootstrap {
    kind = "proxy-defaults"
    name = "global"
    config { protocol = "http" }
  }
  bootstrap {
    kind = "service-splitter"
    name = "web"
    splits { weight = 90 service = "web-1" }
    splits { weight = 10 service = "web-2" }
  }
  bootstrap {
    kind = "service-intentions"
    name = "db"
    sources { name = "web" action = "deny" }
  }
}
`

async function entry(agent: TestAgent, path: string): Promise<Record<string, unknown> | undefined> {
  const answer = await agent.get(`/v1/config/${path}`)
  return answer.status === 404 ? undefined : ((await answer.json()) as Record<string, unknown>)
}

function listOf(
  found: Record<string, unknown> | undefined,
  field: string,
): Record<string, unknown>[] {
  return (found?.[field] ?? []) as Record<string, unknown>[]
}

it('are written at the start and at a reload, in order, and only where there are none', async () => {
  const folder = await temporaryFolder()
  try {
    const file = join(folder, 'entries.hcl')
    await writeFile(file, FILE)
    await using agent = await startAgent({ flags: [`-config-file=${file}`] })
    await eventually('the last entry is there', () => entry(agent, 'service-intentions/db'))
    const defaults = await entry(agent, 'proxy-defaults/global')
    assert.deepEqual(defaults?.['Config'], { protocol: 'http' })
    const splitter = await entry(agent, 'service-splitter/web')
    assert.equal(listOf(splitter, 'Splits').length, 2)
    // What somebody changed since stays; what somebody deleted comes back.
    await agent.put('/v1/config', {
      Kind: 'service-intentions',
      Name: 'db',
      Sources: [{ Name: 'web', Action: 'allow' }],
    })
    await agent.put('/v1/config', {
      Kind: 'proxy-defaults',
      Name: 'global',
      Config: { protocol: 'http', changed: true },
    })
    const deleted = await fetch(`${agent.url}/v1/config/service-splitter/web`, { method: 'DELETE' })
    assert.equal(deleted.status, 200)
    await eventually('the splitter is gone', async () => {
      return (await entry(agent, 'service-splitter/web')) === undefined
    })
    assert.equal((await agent.command('reload')).code, 0)
    await eventually('the splitter is back', () => entry(agent, 'service-splitter/web'))
    const kept = await entry(agent, 'proxy-defaults/global')
    assert.deepEqual(kept?.['Config'], { protocol: 'http', changed: true })
    const intentions = await entry(agent, 'service-intentions/db')
    assert.deepEqual(
      listOf(intentions, 'Sources').map((source) => source['Action']),
      ['allow'],
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('stop the start when they are wrong, with the place', async () => {
  const folder = await temporaryFolder()
  try {
    const file = join(folder, 'entries.hcl')
    await writeFile(
      file,
      'data_dir = "/no/such"\nserver = true\nconfig_entries { bootstrap {\n  kind = "service-defaults"\n  name = "web"\n  protcol = "http"\n} }\n',
    )
    const { code, stderr } = await runCommand(['validate', file])
    assert.equal(code, 1)
    assert.match(stderr, /config_entries\.bootstrap: Request decoding failed/)
    assert.match(stderr, /invalid config key "protcol"/)
    assert.match(stderr, /entries\.hcl:3:/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
