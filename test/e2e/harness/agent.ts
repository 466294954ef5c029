/**
 * Agents for black-box tests: real processes on free ports with a data directory of their own.
 *
 *   await using agent = await startAgent()
 *
 * Leaving the block stops the agent and kills whatever it left behind. The ports are read from the
 * machine-readable log line that says the agent is ready.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  eventually,
  type Finished,
  finished,
  kill,
  PROGRAM,
  processesMentioning,
  runCommand,
} from './program.ts'

const READY_MAX_MS = 20_000
const FREE_PORTS = [
  '-http-port=0',
  '-dns-port=0',
  '-grpc-port=0',
  '-server-port=0',
  '-serf-lan-port=0',
]

export interface AgentOptions {
  /** Instead of `-dev`: a server that keeps its state in this folder. */
  readonly dataDir?: string
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Its proxy goes on when this agent is gone; the test ends it. */
  readonly leavesProxy?: boolean
  /** Launcher of another copy of the program. */
  readonly program?: string
}

export interface Ready {
  readonly node: string
  readonly http: number
  readonly dns: number
  /** Envoy's. */
  readonly grpc: number
  readonly https: number
  readonly grpcTls: number
  readonly server: number
  readonly pid: number
  readonly durationMs: number
}

export interface TestAgent extends AsyncDisposable {
  readonly ready: Ready
  readonly pid: number
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Folder that only this agent and its children mention. */
  readonly folder: string
  readonly output: () => string
  /** Resolves when the agent has ended. */
  readonly ended: Promise<Finished>
  signal(signal: NodeJS.Signals): void
  /** Reads nothing more from it: its writes fail from now on. */
  closeOutput(): void
  get(path: string): Promise<Response>
  put(path: string, body?: unknown): Promise<Response>
  /** The JSON of a GET that must succeed. */
  json<T>(path: string): Promise<T>
  /** Runs a command of the program against this agent. */
  command(...argv: readonly string[]): Promise<Finished>
}

/** Commands against the agent that a file of tests starts before them. */
export function commandsOf(agent: () => TestAgent): {
  /** Standard output of a command that must succeed. */
  ok(...argv: readonly string[]): Promise<string>
  /** Standard error of a command that must end with 1. */
  fails(...argv: readonly string[]): Promise<string>
} {
  const run = async (code: number, argv: readonly string[]): Promise<Finished> => {
    const result = await agent().command(...argv)
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}${result.stdout}`)
    return result
  }
  return {
    ok: async (...argv) => (await run(0, argv)).stdout,
    fails: async (...argv) => (await run(1, argv)).stderr,
  }
}

export async function temporaryFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'fairlead-e2e-'))
}

export async function startAgent(options: AgentOptions = {}): Promise<TestAgent> {
  const folder = await temporaryFolder()
  const role =
    options.dataDir === undefined
      ? ['-dev']
      : ['-server', '-bootstrap-expect=1', '-bind=127.0.0.1', `-data-dir=${options.dataDir}`]
  const argv = ['agent', ...role, '-log-json', ...FREE_PORTS, ...(options.flags ?? [])]
  const child = spawn(options.program ?? PROGRAM, argv, {
    env: { ...process.env, TMPDIR: folder, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const marker = options.dataDir ?? folder
  try {
    const leftOver = options.leavesProxy === true ? folder : marker
    return await readyAgent(child, folder, leftOver)
  } catch (err) {
    child.kill('SIGKILL')
    await cleanUp(folder, marker)
    throw err
  }
}

async function readyAgent(child: ChildProcess, folder: string, marker: string): Promise<TestAgent> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = finished(child)
  let isEnded = false
  void ended.then(() => {
    isEnded = true
  })
  const ready = await eventually(
    'the agent is ready',
    () => {
      if (isEnded) return 'ended' as const
      return readyLine(output)
    },
    READY_MAX_MS,
  ).catch((err: unknown) => {
    throw new Error(`the agent did not become ready:\n${output}`, { cause: err })
  })
  if (ready === 'ended') throw new Error(`the agent ended while starting:\n${output}`)
  const url = `http://127.0.0.1:${ready.http}`
  return {
    ready,
    pid: ready.pid,
    url,
    folder,
    ended,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    closeOutput: () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    },
    get: async (path) => await fetch(`${url}${path}`),
    put: async (path, body) => {
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
      return await fetch(`${url}${path}`, { method: 'PUT', body: text ?? null })
    },
    json: async (path) => {
      const response = await fetch(`${url}${path}`)
      const text = await response.text()
      assert.equal(response.status, 200, `${path}: ${text}`)
      return JSON.parse(text)
    },
    command: async (...argv) => {
      return await runCommand(argv, { env: { CONSUL_HTTP_ADDR: `127.0.0.1:${ready.http}` } })
    },
    [Symbol.asyncDispose]: async () => {
      if (!isEnded) child.kill('SIGTERM')
      await endOf(ended, child)
      await cleanUp(folder, marker)
    },
  }
}

function readyLine(output: string): Ready | undefined {
  for (const line of output.split('\n')) {
    if (!line.includes('"agent is ready"')) continue
    try {
      return JSON.parse(line)
    } catch (err) {
      // The line is still being written.
      if (!(err instanceof SyntaxError)) throw err
    }
  }
  return undefined
}

/** An agent that does not stop on SIGTERM must not hang the tests; the tests of stopping look themselves. */
async function endOf(ended: Promise<Finished>, child: ChildProcess): Promise<void> {
  let isEnded = false
  void ended.then(() => {
    isEnded = true
  })
  try {
    await eventually('the agent ended', () => isEnded, 20_000)
  } catch {
    child.kill('SIGKILL')
  }
}

async function cleanUp(folder: string, marker: string): Promise<void> {
  for (const pid of [...processesMentioning(folder), ...processesMentioning(marker)]) kill(pid)
  await rm(folder, { recursive: true, force: true })
}
