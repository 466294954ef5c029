/**
 * dnsperf asks an agent many questions of every kind, over UDP and TCP: none is lost, all are answered.
 *
 * Bounded by the number of questions, not by time; how fast it goes is bench/'s affair.
 */

import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { eventually, runCommand } from '../e2e/harness/program.ts'
import { installedProgram } from './harness/peers.ts'

const SERVICES = 100
/** Times that the file of questions is asked. */
const ROUNDS = 40

describe('dnsperf', { timeout: 120_000 }, () => {
  it('loses no answer, over UDP and TCP', async (t) => {
    const program = installedProgram(t, 'dnsperf')
    if (program === undefined) return
    const folder = await temporaryFolder()
    try {
      await using agent = await startAgent({ flags: ['-node=vm-a'] })
      const questions: string[] = []
      for (let i = 0; i < SERVICES; i++) {
        const node = { Node: `n${i}`, Address: `10.0.0.${i + 1}` }
        const service = { ID: `s${i}`, Service: `s${i}`, Port: 8000 + i }
        const response = await agent.put('/v1/catalog/register', { ...node, Service: service })
        assert.equal(response.status, 200, await response.text())
        questions.push(
          `s${i}.service.consul A`,
          `_s${i}._tcp.service.consul SRV`,
          `n${i}.node.consul A`,
          `${i + 1}.0.0.10.in-addr.arpa PTR`,
        )
      }
      const file = join(folder, 'questions')
      await writeFile(file, `${questions.join('\n')}\n`)
      for (const transport of ['udp', 'tcp']) {
        await eventually(`every question is answered over ${transport}`, async () => {
          const port = ['-s', '127.0.0.1', '-p', String(agent.ready.dns), '-m', transport]
          const argv = [...port, '-d', file, '-n', String(ROUNDS), '-q', '50', '-t', '10', '-e']
          const { code, stdout, stderr } = await runCommand(argv, { program })
          assert.equal(code, 0, stderr)
          const total = questions.length * ROUNDS
          assert.match(stdout, new RegExp(`Queries completed: +${total} \\(100\\.00%\\)`), stdout)
          assert.match(stdout, /Queries lost: +0 /)
          assert.match(stdout, new RegExp(`NOERROR ${total} \\(100\\.00%\\)`), stdout)
          return true
        })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
