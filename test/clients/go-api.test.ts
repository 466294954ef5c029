/**
 * Consul's own Go client, as a program of its own (test/clients/go), against an agent.
 *
 * Skips with a word when there is no Go or its module cannot be had; what the cases are is written there.
 */

import { describe, it } from 'node:test'
import { startAgent } from '../e2e/harness/agent.ts'
import { passCases } from './harness/case-program.ts'
import { goProgram } from './harness/peers.ts'

describe('the Go client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const program = await goProgram(t, { folder: 'go', package: '.' })
    if (program === undefined) return
    await using agent = await startAgent()
    await passCases({ program, argv: [`127.0.0.1:${agent.ready.http}`], casesMin: 48 })
  })
})
