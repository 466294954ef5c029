/**
 * The processes of the demo: a dev agent on free ports and small services, all ended with the demo.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const ROOT = join(import.meta.dirname, '..', '..')
const PROGRAM = process.env['FAIRLEAD_BIN'] ?? join(ROOT, 'bin', 'fairlead')
const READY_MAX_MS = 20_000
const STOP_MAX_MS = 10_000
const POLL_INTERVAL_MS = 50
/** Services of the story, each with a sidecar. */
const SIDECARS = 3
const CHOICES_MAX = 100

export interface Running {
  readonly name: string
  readonly pid: number
  readonly port: number
}

export interface Stage extends AsyncDisposable {
  readonly agent: {
    readonly pid: number
    readonly http: number
    readonly dns: number
    readonly ms: number
  }
  /** The port on which services answer at their `.virtual` address. */
  readonly virtualPort: number
  startService(name: string, file: string, ...args: readonly string[]): Promise<Running>
  kill(service: Running): Promise<void>
  /** The agent's log so far. */
  log(): Promise<string>
}

/** Waits until `probe` gives something other than undefined. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  timeoutMs = READY_MAX_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let reason: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined) return value
    } catch (err) {
      reason = err
    }
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`, { cause: reason })
    await sleep(POLL_INTERVAL_MS)
  }
}

export async function setUpStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-demo-'))
  const logFile = join(folder, 'agent.log')
  const loopback = chooseLoopback()
  const virtualPort = await chooseVirtualPort(loopback)
  const children: ChildProcess[] = []
  const agent = spawn(
    PROGRAM,
    [
      'agent',
      '-dev',
      '-log-json',
      '-http-port=0',
      '-dns-port=0',
      '-server-port=0',
      `-hcl=proxy { virtual_ports = ["${virtualPort}"] loopback_base = "${loopback}" }`,
      `-hcl=${await sidecarPorts()}`,
    ],
    {
      // Out of the terminal's process group: Ctrl-C ends the demo, which then ends its children in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder },
    },
  )
  const log = createWriteStream(logFile)
  agent.stdout.pipe(log, { end: false })
  agent.stderr.pipe(log, { end: false })
  const end = async (): Promise<void> => {
    for (const child of children) child.kill('SIGKILL')
    await stop(agent)
    log.end()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const ready = await until('the agent is ready', async () => {
      if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`)
      return readyLine(await readFile(logFile, 'utf8'))
    })
    return {
      agent: { pid: ready.pid, http: ready.http, dns: ready.dns, ms: ready.durationMs },
      virtualPort,
      startService: async (name, file, ...args) => {
        const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
          detached: true,
          stdio: ['pipe', 'pipe', 'inherit'],
        })
        children.push(child)
        return { name, pid: child.pid ?? 0, port: await listeningPort(name, child) }
      },
      kill: async (service) => {
        const child = children.find(({ pid }) => pid === service.pid)
        child?.kill('SIGKILL')
        await until(`${service.name} has ended`, () => child?.signalCode ?? undefined)
      },
      log: () => readFile(logFile, 'utf8'),
      [Symbol.asyncDispose]: end,
    }
  } catch (err) {
    const text = await readFile(logFile, 'utf8').catch(() => '')
    await end()
    throw new Error(`the agent did not start:\n${text}`, { cause: err })
  }
}

interface ReadyLine {
  readonly pid: number
  readonly http: number
  readonly dns: number
  readonly durationMs: number
}

function readyLine(text: string): ReadyLine | undefined {
  const line = text.split('\n').find((candidate) => candidate.includes('"agent is ready"'))
  return line?.endsWith('}') ? JSON.parse(line) : undefined
}

async function listeningPort(name: string, child: ChildProcess): Promise<number> {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return await until(`${name} listens`, () => {
    const match = /listening (\d+)/.exec(text)
    return match === null ? undefined : Number(match[1])
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  try {
    await until(
      'the agent stops',
      () => child.exitCode ?? child.signalCode ?? undefined,
      STOP_MAX_MS,
    )
  } catch {
    child.kill('SIGKILL')
  }
}

/** A range of its own, so that other agents on this machine do not get in the way. */
function chooseLoopback(): string {
  return `127.${randomInt(129, 250)}.${randomInt(0, 250)}.0`
}

/** A range whose first ports, those that the story needs, are free. */
async function sidecarPorts(): Promise<string> {
  for (let attempt = 0; attempt < CHOICES_MAX; attempt++) {
    const first = randomInt(22_000, 32_000)
    const ports = Array.from({ length: SIDECARS }, (_, i) => first + i)
    const bound = await Promise.all(ports.map((port) => boundPort('127.0.0.1', port)))
    if (bound.includes(undefined)) continue
    return `ports { sidecar_min_port = ${first} sidecar_max_port = ${first + 99} }`
  }
  throw new Error('no ports between 22000 and 32000 are free on 127.0.0.1')
}

/** Port 80 wants a capability that a developer's shell may lack; the demo then uses another port. */
async function chooseVirtualPort(loopback: string): Promise<number> {
  const port = (await boundPort(loopback, 80)) ?? (await boundPort(loopback, 0))
  if (port === undefined) throw new Error(`no port is free on ${loopback}`)
  return port
}

async function boundPort(host: string, port: number): Promise<number | undefined> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen(port, host, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => resolve(bound))
    })
  })
}
