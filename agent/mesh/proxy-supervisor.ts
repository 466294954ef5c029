/**
 * Keeps one proxy process running for this host: adopts the one that runs, starts one otherwise, restarts
 * a dead one at once (then with backoff), and hands it the newest snapshot.
 *
 * Guarantees: at most one proxy per control socket; a proxy of another build or protocol is told to hand its
 * ports over to one of ours; after `stop()` no child of ours runs unless `keepOnStop`. An adopted proxy keeps its own last
 * configuration until this agent has a complete one (see `isComplete` of `configure`). A connection that ends may mean
 * that another proxy has taken over: that is looked for before one is started.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from '../../core/log.ts'
import {
  type ListenerProblem,
  PROXY_CONTROL_PROTOCOL,
  type ProxyToAgent,
} from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { PATCH_FORMAT, patchOf } from '../../core/mesh/snapshot-patch.ts'
import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import type { Counter } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { type ControlClient, connectProxy, type ProxyHello } from './control-client.ts'
import { ProxyObservation } from './proxy-observation.ts'

const CONNECT_TIMEOUT_MS = 2000
const CONNECT_RETRY_MS = 15
/** A started proxy must answer on its socket within this. */
const READY_MAX_MS = 10_000
/** A proxy whose successor died is back on the control socket within this. */
const COME_BACK_MS = 3000
const TAKE_OVER = '-take-over'
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 5000
/** A proxy that ran this long is restarted without delay. */
const STABLE_MS = 10_000
/** How long exchanges may run on when the proxy is told to end; then it is killed. */
const DRAIN_MS = 2000
const KILL_AFTER_MS = DRAIN_MS + 1500
const CRASH_FILE = 'proxy.stderr'
/** Of what a crashed proxy printed, the last characters go to the log. */
const CRASH_TEXT_MAX = 2000

export interface ProxySupervisorOptions {
  /** Program and arguments that run a proxy on a control socket. */
  readonly command: readonly [string, ...string[]]
  /** That of the command's proxy, as its greeting says it. */
  readonly build: string
  readonly socketPath: string
  readonly keepOnStop: boolean
}

export interface ProxySupervisorDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Of this process: where access logs of type stdout and stderr go. */
  readonly output: (stream: 'stdout' | 'stderr', text: string) => void
}

export type ProxyState = 'idle' | 'starting' | 'running' | 'backoff' | 'stopped'

export class ProxySupervisor {
  readonly #options: ProxySupervisorOptions
  readonly #deps: ProxySupervisorDeps
  readonly #proxyLog: Logger
  /** What may be asked of the proxy in use. */
  readonly observation: ProxyObservation
  readonly #starts: Counter
  readonly #losses: Counter
  readonly #abort = new AbortController()
  #state: ProxyState = 'idle'
  #child: ChildProcess | undefined
  #client: ControlClient | undefined
  /** The greeting of the proxy whose connection has ended. */
  #before: ProxyHello | undefined
  #adopted = false
  /** On which an adopted proxy was told to hand over, and that proxy's pid. */
  #handingOver:
    | { readonly client: ControlClient; readonly pid: number; hasFailed: boolean }
    | undefined
  #snapshot: ProxySnapshot | undefined
  #snapshotIsComplete = false
  /** What this connection was told last. */
  #sent: ProxySnapshot | undefined
  #configuredVersion = 0
  readonly #onConfigured = new Set<() => void>()
  #problems: readonly ListenerProblem[] = []
  #startedAt = 0
  #failures = 0
  #retry: Timer | undefined
  #connecting: Promise<void> | undefined

  constructor(options: ProxySupervisorOptions, deps: ProxySupervisorDeps) {
    this.#options = options
    this.#deps = deps
    this.#proxyLog = deps.log.child('proxy')
    this.observation = new ProxyObservation(deps.clock)
    const { metrics } = deps
    this.#starts = metrics.counter(AGENT_METRICS.proxyStarts)
    this.#losses = metrics.counter(AGENT_METRICS.proxyLosses)
    const running = metrics.gauge(AGENT_METRICS.proxyRunning)
    const problems = metrics.gauge(AGENT_METRICS.proxyProblems)
    metrics.onRead(() => {
      running.set(this.#client === undefined ? 0 : 1)
      problems.set(this.#problems.length)
    })
  }

  get state(): ProxyState {
    return this.#state
  }

  /** Pid of the proxy in use, undefined while there is none. */
  get pid(): number | undefined {
    return this.#client?.hello.pid
  }

  /** Version of the newest snapshot that the proxy obeys. */
  get configuredVersion(): number {
    return this.#configuredVersion
  }

  /** @returns what ends the calls */
  onConfigured(listener: () => void): () => void {
    this.#onConfigured.add(listener)
    return () => void this.#onConfigured.delete(listener)
  }

  /** Listeners of the newest acknowledged snapshot that could not be opened. */
  get problems(): readonly ListenerProblem[] {
    return this.#problems
  }

  /**
   * Makes `snapshot` the wanted configuration, starting a proxy if none runs.
   *
   * @param isComplete false while some view or certificate it should contain is still missing: a fresh
   *   proxy takes it all the same, an adopted one keeps what it has
   */
  configure(snapshot: ProxySnapshot, isComplete: boolean): void {
    if (this.#state === 'stopped') return
    this.#snapshot = snapshot
    this.#snapshotIsComplete = isComplete
    if (this.#state === 'idle') this.#begin()
    else this.#push()
  }

  /** Takes over a proxy left running by an earlier agent, if there is one. */
  async adopt(): Promise<boolean> {
    if (this.#state !== 'idle') return this.#client !== undefined
    try {
      await this.#connect()
    } catch (err) {
      this.#deps.log.debug('no running proxy to adopt', { err })
      return false
    }
    this.#adopted = true
    this.#state = 'running'
    this.#startedAt = this.#deps.clock.now()
    this.#deps.log.info('adopted the running proxy', { pid: this.pid })
    return true
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#abort.abort()
    this.#retry?.cancel()
    await this.#connecting?.catch(() => undefined)
    if (!this.#options.keepOnStop) await this.#end()
    this.#client?.close()
    this.#client = undefined
    this.#child?.unref()
    this.#child = undefined
  }

  #begin(): void {
    this.#state = 'starting'
    this.#connecting = this.#startAndConnect().catch((err: unknown) => {
      if (this.#state === 'stopped') return
      this.#deps.log.error('proxy did not start', { err })
      this.#child?.kill('SIGKILL')
      this.#lost()
    })
  }

  async #startAndConnect(): Promise<void> {
    if (await this.#joinSuccessor()) return
    const { clock, log } = this.#deps
    const folder = dirname(this.#options.socketPath)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await chmod(folder, 0o700)
    await rm(this.#options.socketPath, { force: true })
    this.#startedAt = clock.now()
    const child = await this.#spawn(folder)
    const deadline = clock.now() + READY_MAX_MS
    for (;;) {
      this.#abort.signal.throwIfAborted()
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the proxy exited with ${child.exitCode ?? child.signalCode}`)
      }
      try {
        await this.#connect()
        break
      } catch (err) {
        if (clock.now() >= deadline) throw err
        await clock.sleep(CONNECT_RETRY_MS, this.#abort.signal)
      }
    }
    this.#state = 'running'
    this.#adopted = false
    this.#starts.increment()
    log.info('proxy started', { pid: this.pid })
    this.#push()
  }

  /** @returns false when none answers on the control socket */
  async #joinSuccessor(): Promise<boolean> {
    const { clock, log } = this.#deps
    const before = this.#before
    this.#before = undefined
    if (before === undefined) return false
    const deadline = clock.now() + COME_BACK_MS
    for (;;) {
      this.#abort.signal.throwIfAborted()
      try {
        await this.#connect()
        break
      } catch {
        // Only while that which had the ports lives, it may come back.
        if (before.replaces === undefined || !signalProcess(before.replaces, 0)) return false
        if (clock.now() >= deadline) return false
        await clock.sleep(CONNECT_RETRY_MS, this.#abort.signal)
      }
    }
    this.#state = 'running'
    this.#adopted = true
    this.#startedAt = clock.now()
    log.info('another proxy took over', { pid: this.pid, before: before.pid })
    this.#push()
    return true
  }

  /**
   * In its own process group, so that what stops the agent's group does not cut the mesh's traffic, and with
   * none of the agent's output, which it would hold open. Its log comes over the control socket; what Node
   * prints when it crashes goes to a file, told when it exits.
   */
  async #spawn(folder: string): Promise<ChildProcess> {
    const [program, ...args] = this.#options.command
    const crashFile = join(folder, CRASH_FILE)
    const stderr = await open(crashFile, 'w', 0o600)
    let child: ChildProcess
    try {
      child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', stderr.fd] })
    } finally {
      await stderr.close()
    }
    this.#child = child
    child.on('error', (err) => this.#deps.log.error('proxy cannot be started', { err }))
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined
      if (this.#state !== 'stopped' && code !== 0) void this.#tellExit(crashFile, code, signal)
    })
    return child
  }

  async #tellExit(crashFile: string, code: number | null, signal: string | null): Promise<void> {
    const text = await readFile(crashFile, 'utf8').catch(() => '')
    const facts = { code, signal, ...(text === '' ? {} : { stderr: text.slice(-CRASH_TEXT_MAX) }) }
    this.#deps.log.warn('proxy exited', facts)
  }

  async #connect(): Promise<void> {
    this.#sent = undefined
    const client = await connectProxy(this.#options.socketPath, CONNECT_TIMEOUT_MS, {
      onMessage: (message) => this.#onMessage(message),
      onClose: () => {
        if (this.#client !== client) return
        this.#client = undefined
        this.#before = client.hello
        this.observation.disconnected()
        if (this.#state === 'running') this.#lost()
      },
    })
    this.#client = client
    this.#before = undefined
    this.observation.connected((message) => client.send(message))
  }

  #push(): void {
    const client = this.#client
    if (client === undefined || this.#snapshot === undefined) return
    const before = this.#sent
    if (this.#adopted && before === undefined && !this.#snapshotIsComplete) return
    if (this.#adopted && before === undefined && this.#handOver(client)) return
    this.#sent = this.#snapshot
    if (before === undefined || client.hello.patchFormat !== PATCH_FORMAT) {
      client.send({ kind: 'configure', snapshot: this.#snapshot })
    } else client.send({ kind: 'patch', patch: patchOf(before, this.#snapshot) })
  }

  /** @returns whether this proxy is to be replaced rather than configured */
  #handOver(client: ControlClient): boolean {
    const { pid, build, protocol, handsOver } = client.hello
    const isOurs = protocol === PROXY_CONTROL_PROTOCOL
    if ((isOurs && build === this.#options.build) || handsOver !== true) return false
    const asked = this.#handingOver
    if (asked?.pid === pid) {
      // Still here on a new connection, or it says so: it could not. What it understands it is told then.
      if (asked.client === client && !asked.hasFailed) return true
      return !isOurs
    }
    this.#handingOver = { client, pid, hasFailed: false }
    this.#deps.log.info('the running proxy is of another build, it hands over to ours', { build })
    client.send({ kind: 'hand-over', command: [...this.#options.command, TAKE_OVER] })
    return true
  }

  #onMessage(message: Exclude<ProxyToAgent, { kind: 'hello' }>): void {
    if (message.kind === 'log') {
      const { level, component, message: text, facts } = message.record
      const log = component === '' ? this.#proxyLog : this.#proxyLog.child(component)
      log[level](text, facts)
      return
    }
    if (message.kind === 'output') {
      this.#deps.output(message.stream, message.text)
      return
    }
    if (message.kind === 'stats') return
    if (message.kind === 'hand-over-failed') {
      this.#deps.log.warn('the proxy could not hand over', { reason: message.reason })
      if (this.#handingOver !== undefined) this.#handingOver.hasFailed = true
      this.#push()
      return
    }
    if (message.kind !== 'configured') {
      this.observation.onAnswer(message)
      return
    }
    const known = new Set(this.#problems.map((p) => `${p.bind} ${p.code}`))
    for (const problem of message.problems) {
      if (known.has(`${problem.bind} ${problem.code}`)) continue
      this.#deps.log.warn('proxy cannot listen', {
        listener: problem.listenerId,
        bind: problem.bind,
        code: problem.code,
        reason: problem.message,
      })
    }
    this.#problems = message.problems
    this.#configuredVersion = Math.max(this.#configuredVersion, message.version)
    for (const listener of this.#onConfigured) listener()
  }

  /** The proxy is gone: start another, at once the first time, later if it keeps dying. */
  #lost(): void {
    const { clock, log } = this.#deps
    this.#losses.increment()
    this.#failures = clock.now() - this.#startedAt > STABLE_MS ? 0 : this.#failures + 1
    const delay =
      this.#failures === 0
        ? 0
        : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (this.#failures - 1))
    this.#state = 'backoff'
    log.warn('proxy lost, starting another', { delayMs: delay })
    this.#retry = clock.timer(instant(clock.now() + delay), () => {
      this.#retry = undefined
      if (this.#state === 'backoff') this.#begin()
    })
  }

  /** Drains and ends the proxy, ours or adopted; kills what does not go. */
  async #end(): Promise<void> {
    const pid = this.#client?.hello.pid ?? this.#child?.pid
    if (pid === undefined) return
    this.#client?.send({ kind: 'shutdown', drainMs: DRAIN_MS })
    if (this.#client === undefined) signalProcess(pid, 'SIGTERM')
    if (await this.#gone(pid, KILL_AFTER_MS)) return
    this.#deps.log.warn('proxy did not end in time, killing it', { pid })
    signalProcess(pid, 'SIGKILL')
    await this.#gone(pid, KILL_AFTER_MS)
  }

  async #gone(pid: number, withinMs: number): Promise<boolean> {
    const { clock } = this.#deps
    const deadline = clock.now() + withinMs
    while (clock.now() < deadline) {
      if (this.#child?.pid === pid ? this.#child.exitCode !== null : !signalProcess(pid, 0)) {
        return true
      }
      if (this.#child === undefined && !signalProcess(pid, 0)) return true
      await clock.sleep(CONNECT_RETRY_MS)
    }
    return false
  }
}

/** @returns false when there is no such process */
function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}
