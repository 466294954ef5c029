/**
 * The life of one agent process: start every part in order, say so, serve, stop in reverse order.
 *
 * Exit codes: 0 after a clean stop by SIGTERM, SIGINT or leave; 1 when it could not start, a part failed for
 * good, leaving or the stop took over STOP_MAX_MS, or a second signal cut it; 70 when the disk failed a
 * running server (raft.md 15.1). A failed start undoes what had begun. Which signal also leaves the cluster is
 * configured; a farewell that would cost the cluster its quorum is left out then, and said so.
 */

import { AuditLog } from '../../agent/http/audit-log.ts'
import { changesNeedingRestart } from '../../core/config/changes.ts'
import type { LogFileConfig } from '../../core/config/model.ts'
import { formatProblem } from '../../core/config/problem.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { instant, type Timer } from '../../core/time.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { PathWatch } from '../../runtime/files/watch-paths.ts'
import { collectGarbage } from '../../runtime/host/collect-garbage.ts'
import { bothSinks, type FileSink, openFileSink } from '../../runtime/log/file-sink.ts'
import {
  createLogger,
  type LogSink,
  type RootLogger,
  stdoutSink,
} from '../../runtime/log/pino-logger.ts'
import type { CliContext } from '../command.ts'
import { COMPATIBLE_CONSUL_VERSION, readVersion } from '../version.ts'
import { formatBanner } from './banner.ts'
import { type Agent, composeAgent } from './compose.ts'
import { type HeldSink, holdLines } from './held-sink.ts'
import { readHostFacts } from './host-facts.ts'
import { endIfLingering } from './linger.ts'
import { type ConfigSources, type LoadedConfig, loadConfig } from './load-config.ts'
import { createServiceManager, type ServiceManager } from './service-manager.ts'
import { listenForSignals } from './signals.ts'

/** How long exchanges in progress may go on after the agent was told to stop. */
const DRAIN_MS = 5_000
const STOP_MAX_MS = 15_000
/** Besides `leave_drain_time`: an election, the spreading of the goodbye, the removal from Raft. */
const LEAVE_MAX_MS = 20_000
const STORAGE_EXIT_CODE = 70
const LOG_FLUSH_MS = 1_000
const HOLD_LOG_MAX_MS = 2_000
/** By then a client is connected and has loaded what it needs. */
const COLLECT_AFTER_MS = 5_000

type StopReason =
  | { readonly kind: 'asked'; readonly by: string }
  | { readonly kind: 'failed'; readonly error: FairleadError }

export async function runAgent(
  loaded: LoadedConfig,
  sources: ConfigSources,
  context: CliContext,
): Promise<number> {
  const held = holdLines(stdoutSink({ clock: systemClock }))
  let files: FileSink | undefined
  let auditFiles: FileSink | undefined
  try {
    files = await openFiles('log_file', loaded.config.log.file)
    auditFiles = await openFiles('the file of audit.sink', loaded.config.audit)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    context.stderr(`==> The agent could not start: ${reason}\n`)
    await files?.[Symbol.asyncDispose]()
    return 1
  }
  await using _files = files
  await using _auditFiles = auditFiles
  const sink: LogSink = files === undefined ? held : bothSinks(held, files)
  const log = createLogger(loaded.config.log, { clock: systemClock, sink })
  const manager = createServiceManager(context.env, {
    log: log.child('systemd'),
    monotonicUs: () => process.hrtime.bigint() / 1_000n,
  })
  const audit =
    auditFiles === undefined
      ? undefined
      : new AuditLog(auditFiles, { clock: systemClock, log: log.child('audit') })
  const run = new AgentRun(loaded, { sources, context, sink: held, log, manager, audit })
  const code = await run.toEnd()
  await manager.settled()
  await log.flush(LOG_FLUSH_MS)
  await auditFiles?.flush(LOG_FLUSH_MS)
  endIfLingering(code)
  return code
}

/** @throws Error naming what cannot be written */
async function openFiles(
  what: string,
  file: LogFileConfig | undefined,
): Promise<FileSink | undefined> {
  if (file === undefined) return undefined
  try {
    return await openFileSink(file, { clock: systemClock })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${what} cannot be written: ${reason}`, { cause })
  }
}

interface RunDeps {
  readonly sources: ConfigSources
  readonly context: CliContext
  readonly sink: HeldSink
  readonly log: RootLogger
  readonly manager: ServiceManager
  readonly audit: AuditLog | undefined
}

class AgentRun {
  readonly #loaded: LoadedConfig
  readonly #deps: RunDeps
  readonly #log: Logger
  readonly #stopAsked = Promise.withResolvers<StopReason>()
  readonly #starting = new AbortController()
  #agent: Agent | undefined
  #collecting: Timer | undefined
  #reloading: Promise<void> | undefined
  #leaving: Promise<void> | undefined

  constructor(loaded: LoadedConfig, deps: RunDeps) {
    this.#loaded = loaded
    this.#deps = deps
    this.#log = deps.log
  }

  async toEnd(): Promise<number> {
    using _signals = listenForSignals({
      onStop: (by) => void this.#stopBySignal(by),
      onCut: (by) => this.#cut(by),
      onReload: () => void this.#reloadAndLog(),
    })
    for (const warning of this.#loaded.warnings) this.#log.warn(warning)
    const failure = await this.#start()
    if (failure !== undefined) return failure
    using files = this.#watchFiles()
    await files.start(this.#loaded.config.autoReload ? this.#deps.sources.paths : [])
    const reason = await this.#stopAsked.promise
    return await this.#shutDown(reason)
  }

  /** @returns an exit code when the agent does not run */
  async #start(): Promise<number | undefined> {
    const { version } = readVersion()
    // A start that takes this long is better explained by its log than by silence.
    const late = systemClock.timer(instant(systemClock.now() + HOLD_LOG_MAX_MS), () =>
      this.#deps.sink.release(),
    )
    try {
      this.#agent = await composeAgent(
        this.#loaded,
        { fairlead: version, consul: COMPATIBLE_CONSUL_VERSION },
        {
          clock: systemClock,
          log: this.#deps.log,
          logLines: this.#deps.log,
          audit: this.#deps.audit,
          env: this.#deps.context.env,
          signal: this.#starting.signal,
          onFatal: (error) => this.#stop({ kind: 'failed', error }),
          onLeave: async (options) => {
            try {
              await this.#leave(options)
            } catch (thrown) {
              const error = toFairleadError(thrown)
              // Refused is not begun. What has begun cannot be taken back: others know that it leaves.
              const isBegun = error.code !== 'REJECTED' && this.#agent !== undefined
              if (isBegun) this.#stop({ kind: 'failed', error })
              throw error
            }
            this.#stop({ kind: 'asked', by: 'leave' })
          },
          onReload: () => this.#reload(),
        },
      )
    } catch (thrown) {
      if (this.#starting.signal.aborted) {
        this.#log.info('stopped while starting')
        return 0
      }
      this.#deps.sink.release()
      return this.#reportFailedStart(toFairleadError(thrown))
    } finally {
      late.cancel()
    }
    this.#announce(this.#agent, version)
    // A client does little from now on, and should hold little.
    if (!this.#loaded.config.server) {
      const at = instant(systemClock.now() + COLLECT_AFTER_MS)
      this.#collecting = systemClock.timer(at, collectGarbage)
    }
    return undefined
  }

  #announce(agent: Agent, version: string): void {
    const { config } = agent
    const { http, dns } = agent.ports
    const { colour } = this.#deps.context
    if (!config.log.json) {
      const banner = formatBanner(
        {
          version,
          nodeId: config.nodeId,
          config,
          ports: agent.ports,
          isGossipEncrypted: agent.isGossipEncrypted,
          startMs: processAgeMs(),
        },
        colour,
      )
      this.#deps.context.stdout(banner)
    }
    this.#deps.sink.release()
    this.#log.info('agent is ready', {
      node: config.nodeName,
      http,
      dns,
      https: agent.ports.https,
      grpc: agent.ports.grpc,
      grpcTls: agent.ports.grpcTls,
      server: agent.ports.server,
      pid: process.pid,
      durationMs: Math.round(processAgeMs()),
    })
    this.#deps.manager.ready(`Serving HTTP on port ${http}, DNS on port ${dns}`)
  }

  #reportFailedStart(error: FairleadError): number {
    const { stderr } = this.#deps.context
    const hint = error.facts['hint'] ?? error.entry.hint
    stderr(`==> The agent could not start: ${error.message}\n`)
    if (hint !== undefined) stderr(`    fix ${String(hint)}\n`)
    if (error.code === 'INTERNAL' && error.cause instanceof Error) stderr(`${error.cause.stack}\n`)
    return 1
  }

  #watchFiles(): PathWatch {
    return new PathWatch({
      clock: systemClock,
      onChange: () => void this.#reloadAndLog(),
      onFailure: (path, err) => this.#log.warn('cannot watch for changes', { path, err }),
    })
  }

  #stop(reason: StopReason): void {
    if (reason.kind === 'failed') {
      this.#log.error('a part of the agent failed for good', { err: reason.error })
    } else this.#log.info('stopping', { reason: reason.by })
    this.#stopAsked.resolve(reason)
    if (this.#agent === undefined) this.#starting.abort()
  }

  async #stopBySignal(by: string): Promise<void> {
    const { leave } = this.#loaded.config
    const isLeaving = by === 'SIGINT' ? leave.onInterrupt : leave.onTerminate
    if (this.#agent !== undefined && isLeaving) {
      try {
        await this.#leave({ force: false })
      } catch (thrown) {
        const err = toFairleadError(thrown)
        if (err.code !== 'REJECTED') return this.#stop({ kind: 'failed', error: err })
        this.#log.warn('stopping without leaving the cluster', { err })
      }
    }
    this.#stop({ kind: 'asked', by })
  }

  /** One farewell at a time; who asks meanwhile gets its outcome. */
  #leave(options: { readonly force: boolean }): Promise<void> {
    this.#leaving ??= this.#leaveOnce(options).finally(() => {
      this.#leaving = undefined
    })
    return this.#leaving
  }

  async #leaveOnce(options: { readonly force: boolean }): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) throw new FairleadError('BUSY', 'The agent is still starting')
    const late = new AbortController()
    const maxMs = this.#loaded.config.leave.drainMs + LEAVE_MAX_MS
    const timer = systemClock.timer(instant(systemClock.now() + maxMs), () =>
      late.abort(new FairleadError('BUSY', `Leaving took over ${maxMs} ms`)),
    )
    try {
      await agent.leave(options, late.signal)
      this.#log.info('left the cluster')
    } finally {
      timer.cancel()
    }
  }

  #cut(by: string): void {
    this.#deps.context.stderr(`Second signal (${by}): ending at once\n`)
    process.exit(1)
  }

  async #shutDown(reason: StopReason): Promise<number> {
    this.#deps.manager.stopping()
    this.#collecting?.cancel()
    const late = systemClock.timer(instant(systemClock.now() + STOP_MAX_MS), () => {
      this.#deps.context.stderr(`The agent did not stop within ${STOP_MAX_MS} ms: ending at once\n`)
      process.exit(1)
    })
    try {
      await this.#reloading
      // After a failure nothing can be finished, and what is answered may be old.
      if (reason.kind === 'asked') {
        await this.#agent?.drain(instant(systemClock.now() + DRAIN_MS))
      }
      await this.#agent?.[Symbol.asyncDispose]()
    } catch (thrown) {
      this.#log.error('stopping failed', { err: toFairleadError(thrown) })
      return 1
    } finally {
      late.cancel()
    }
    this.#log.info('stopped')
    if (reason.kind === 'asked') return 0
    return reason.error.code.startsWith('STORAGE_') ? STORAGE_EXIT_CODE : 1
  }

  async #reloadAndLog(): Promise<void> {
    try {
      await this.#reload()
    } catch (thrown) {
      this.#log.error('reload failed; the former configuration stays', {
        err: toFairleadError(thrown),
      })
    }
  }

  /** One at a time; a second request while one runs gets the first one's outcome. */
  #reload(): Promise<void> {
    this.#reloading ??= this.#reloadOnce().finally(() => {
      this.#reloading = undefined
    })
    return this.#reloading
  }

  async #reloadOnce(): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) throw new FairleadError('BUSY', 'The agent is still starting')
    this.#deps.manager.reloading()
    try {
      const result = await loadConfig(this.#deps.sources, readHostFacts())
      if (!result.ok) {
        const text = result.problems.map((problem) => formatProblem(problem)).join('; ')
        throw new FairleadError('INVALID_CONFIG', `The configuration is not valid: ${text}`)
      }
      await agent.reload(result.loaded)
      this.#deps.log.level = result.loaded.config.log.level
      for (const warning of result.loaded.warnings) this.#log.warn(warning)
      for (const change of changesNeedingRestart(this.#loaded.raw, result.loaded.raw)) {
        this.#log.warn('a changed setting takes effect when the agent is restarted', { ...change })
      }
      this.#log.info('configuration reloaded')
    } finally {
      this.#deps.manager.ready('Serving')
    }
  }
}

/** The system clock counts from the start of the process, so that loading the program counts. */
function processAgeMs(): number {
  return systemClock.now()
}
