/**
 * An agent whose output nobody reads any more: it goes on serving, and still stops when asked.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { describe, it } from 'node:test'
import { startAgent } from './harness/agent.ts'
import { eventually, finished, PROGRAM } from './harness/program.ts'

const READY_MAX_MS = 20_000

describe('an agent without a reader of its output', () => {
  it('serves and stops when the reader was gone before it was ready', async () => {
    // Nothing tells the port of such an agent: an address of its own takes the place of a free port.
    const address = `127.${randomInt(1, 120)}.${randomInt(256)}.${randomInt(1, 255)}`
    const listeners = [`-client=${address}`, '-http-port=8500', '-dns-port=0', '-server-port=0']
    const child = spawn(PROGRAM, ['agent', '-dev', '-serf-lan-port=0', ...listeners], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = finished(child)
    try {
      child.stdout.destroy()
      child.stderr.destroy()
      const leader = async (): Promise<string | undefined> => {
        const answer = await fetch(`http://${address}:8500/v1/status/leader`, {
          signal: AbortSignal.timeout(2_000),
        }).catch(() => undefined)
        return answer?.ok === true ? await answer.text() : undefined
      }
      const found = await eventually('the agent answers', leader, READY_MAX_MS)
      assert.match(found, /^"127\.0\.0\.1:\d+"$/)
      child.kill('SIGTERM')
      assert.equal((await ended).code, 0)
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('serves and stops when the reader goes away later', async () => {
    await using agent = await startAgent()
    agent.closeOutput()
    for (let i = 0; i < 20; i++) {
      await agent.put('/v1/agent/service/register', { Name: `unread-${i}` })
    }
    assert.equal(Object.keys(await agent.json<object>('/v1/agent/services')).length, 20)
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).code, 0)
  })
})
