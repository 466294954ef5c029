/**
 * Consul's own Go client, as a program of its own (test/clients/go), against an agent.
 *
 * Skips with a word when there is no Go or its module cannot be had; what the cases are is written there.
 */

import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { eventually } from '../e2e/harness/program.ts'
import { passCases } from './harness/case-program.ts'
import { goProgram } from './harness/peers.ts'

describe('the Go client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const program = await goProgram(t, { folder: 'go', package: '.' })
    if (program === undefined) return
    await using agent = await startAgent()
    await passCases({ program, argv: [`127.0.0.1:${agent.ready.http}`], casesMin: 48 })
  })

  it('finds them too where rights are needed, and what those are about', async (t) => {
    const program = await goProgram(t, { folder: 'go', package: '.' })
    if (program === undefined) return
    const secret = randomUUID()
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'acl.json')
      const tokens = { initial_management: secret }
      const acl = { enabled: true, default_policy: 'deny', tokens }
      await writeFile(file, JSON.stringify({ acl, default_intention_policy: 'allow' }))
      await using agent = await startAgent({ flags: [`-config-file=${file}`] })
      const headers = { 'X-Consul-Token': secret }
      const isMade = async () =>
        (await fetch(`${agent.url}/v1/acl/token/self`, { headers })).ok || undefined
      await eventually('the first token is made', isMade, 20_000)
      const env = { ...process.env, CONSUL_HTTP_TOKEN: secret }
      await passCases({ program, argv: [`127.0.0.1:${agent.ready.http}`], casesMin: 55, env })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
