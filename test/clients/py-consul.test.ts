/**
 * py-consul, the client of Python services and of Patroni, against an agent; the cases are in py-consul/cases.py.
 */

import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent } from '../e2e/harness/agent.ts'
import { passCases } from './harness/case-program.ts'
import { pythonPackages } from './harness/peers.ts'

const PROGRAM = join(import.meta.dirname, 'py-consul', 'cases.py')

describe('the Python client', () => {
  it('finds every endpoint as it expects it', async (t) => {
    const python = await pythonPackages(t, 'py-consul')
    if (python === undefined) return
    await using agent = await startAgent()
    await passCases({
      program: python.interpreter,
      argv: [PROGRAM, `${agent.ready.http}`],
      env: python.env,
      casesMin: 18,
    })
  })
})
