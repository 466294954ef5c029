/**
 * The demo cleans up after itself, whenever and however it is told to end.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from './harness/agent.ts'
import {
  eventually,
  finished,
  isAlive,
  kill,
  processesMentioning,
  ROOT,
} from './harness/program.ts'

const DEMO = join(ROOT, 'scripts', 'demo.ts')

describe('the demo', () => {
  // SIGHUP is what closing the terminal sends.
  for (const [signal, when] of [
    ['SIGINT', 'three plain HTTP services start'],
    ['SIGHUP', 'They are registered'],
    ['SIGTERM', 'until Ctrl-C'],
  ] as const) {
    it(`leaves nothing behind on ${signal} at "${when}"`, async () => {
      const folder = await temporaryFolder()
      const child = spawn(process.execPath, [DEMO], {
        env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const ended = finished(child)
      try {
        let output = ''
        child.stdout.on('data', (text: string) => {
          output += text
        })
        await eventually(
          `the demo says: ${when}`,
          () => output.toLowerCase().includes(when.toLowerCase()),
          40_000,
        )
        const api = /HTTP API +(\S+)/.exec(output)?.[1] ?? ''
        assert.equal((await fetch(`${api}/v1/status/leader`)).status, 200)
        child.kill(signal)
        const { code } = await ended
        assert.equal(code, when === 'until Ctrl-C' ? 0 : 1)
        await assert.rejects(fetch(`${api}/v1/status/leader`), 'the agent is gone')
        const services = [...output.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid))
        await eventually('the services and the proxy are gone', () => {
          return !services.some(isAlive) && processesMentioning(folder).length === 0
        })
        assert.deepEqual(await readdir(folder), [])
      } finally {
        child.kill('SIGTERM')
        await ended
        for (const pid of processesMentioning(folder)) kill(pid)
        await rm(folder, { recursive: true, force: true })
      }
    })
  }
})
