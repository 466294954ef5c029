/**
 * The HTTP API at a socket file: reached by commands, with the mode that was asked for, gone with the agent.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import { eventually, finished, runCommand } from './harness/program.ts'

it('serves at a socket file beside a port', async () => {
  const folder = await temporaryFolder()
  try {
    const path = join(folder, 'api.sock')
    const hcl = `addresses { http = "127.0.0.1 unix://${path}" } unix_sockets { mode = "0600" group = "root" }`
    {
      await using agent = await startAgent({ flags: [`-hcl=${hcl}`, '-node=vm-a'] })
      assert.equal(statSync(path).mode & 0o777, 0o600)
      const env = { CONSUL_HTTP_ADDR: `unix://${path}` }
      const members = await runCommand(['members'], { env })
      assert.match(members.stdout, /^vm-a /m)
      assert.equal((await agent.command('members')).stdout, members.stdout)
      // A second agent does not take the socket of one that is alive.
      const second = await runCommand(
        [
          'agent',
          '-dev',
          '-http-port=0',
          '-dns-port=0',
          '-server-port=0',
          '-serf-lan-port=0',
          `-hcl=${hcl}`,
        ],
        { env: {} },
      )
      assert.equal(second.code, 1)
      assert.match(second.stderr, /EADDRINUSE/)
    }
    assert.ok(!existsSync(path))
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('clears away the socket file of an agent that was killed, and no other file', async () => {
  const folder = await temporaryFolder()
  try {
    const path = join(folder, 'api.sock')
    // A server that ends without a word leaves its file.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await finished(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }))
    await eventually('a dead socket file is there', () => existsSync(path))
    const hcl = `addresses { http = "127.0.0.1 ${path}" }`
    {
      await using agent = await startAgent({ flags: [`-hcl=${hcl}`] })
      const env = { CONSUL_HTTP_ADDR: `unix://${path}` }
      assert.equal((await runCommand(['members'], { env })).code, 0, agent.output())
    }
    await writeFile(path, 'precious')
    await assert.rejects(startAgent({ flags: [`-hcl=${hcl}`] }), /EADDRINUSE/)
    assert.ok(existsSync(path))
  } finally {
    await rm(folder, { recursive: true })
  }
})
