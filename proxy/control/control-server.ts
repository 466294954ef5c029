/**
 * The proxy's end of the control socket (core/mesh/proxy-control.ts): takes snapshots from the newest agent.
 *
 * Guarantees: only the owner of the process can connect (folder 0700, socket 0600); a second agent replaces
 * the first; snapshots are applied one after the other, and of several that wait only the last. Without an
 * agent nothing changes, until the orphan timeout, if one is set. Bounds: LINE_BYTES_MAX a message.
 */

import { mkdir } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import type { TapFilter } from '../../core/exchange/tap.ts'
import type { Logger } from '../../core/log.ts'
import {
  type AgentToProxy,
  type ListenerProblem,
  PROXY_CONTROL_PROTOCOL,
  type ProxyStats,
  type ProxyToAgent,
} from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { applyPatch, PATCH_FORMAT, type SnapshotPatch } from '../../core/mesh/snapshot-patch.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { bindUnixSocket, closing, removeStaleSocket } from '../listeners/bind.ts'
import { TAPS_MAX, type TapSink } from '../telemetry/taps.ts'
import { LineReader } from './line-reader.ts'
import type { LogRelay } from './relay-log.ts'

export interface ControlOptions {
  readonly socketPath: string
  /** 0: never. */
  readonly orphanTimeoutMs: number
  readonly pid: number
  readonly build: string
  /** Pid of the proxy whose control socket, and place, this one takes. */
  readonly replaces?: number
}

export interface Controlled {
  /** Puts the snapshot in force. @returns the listeners that could not be bound */
  configure(snapshot: ProxySnapshot): Promise<readonly ListenerProblem[]>
  stats(): ProxyStats
  metrics(): string
  /** @returns false when there are too many */
  tap(id: number, filter: TapFilter, sink: TapSink): boolean
  untap(id: number): void
  untapAll(): void
  /** Starts a proxy that takes this one's place. */
  handOver(command: readonly [string, ...string[]]): void
  shutdown(drainMs: number, why: string): void
}

/** What waits to be taken by the agent; beyond it, taps and output are dropped. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024
const LINE_BYTES_MAX = 64 * 1024 * 1024

export class ControlServer {
  readonly #options: ControlOptions
  readonly #controlled: Controlled
  readonly #clock: Clock
  readonly #log: Logger
  readonly #logRelay: LogRelay | undefined
  #server: Server
  #agent: Socket | undefined
  #version = 0
  /** What the agent's connection has brought last, in force or not: what a patch is made for. */
  #received: ProxySnapshot | undefined
  #next: ProxySnapshot | undefined
  #isApplying = false
  #leaving: Promise<void> | undefined
  #orphan: Timer | undefined

  constructor(
    options: ControlOptions,
    controlled: Controlled,
    deps: { readonly clock: Clock; readonly log: Logger; readonly logRelay?: LogRelay },
  ) {
    this.#options = options
    this.#controlled = controlled
    this.#clock = deps.clock
    this.#log = deps.log
    this.#logRelay = deps.logRelay
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** @throws FairleadError INVALID_CONFIG when the socket cannot be opened, or another proxy holds it */
  async listen(replaces = this.#options.replaces !== undefined): Promise<void> {
    const { socketPath } = this.#options
    try {
      await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
      if (!replaces) await removeStaleSocket(socketPath)
      await bindUnixSocket(this.#server, socketPath, '600', replaces)
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      const why = code === 'EADDRINUSE' ? 'another proxy listens there' : (code ?? String(cause))
      throw new FairleadError(
        'INVALID_CONFIG',
        `Cannot open control socket ${socketPath}: ${why}`,
        {
          cause,
        },
      )
    }
    this.#server.on('error', (err) => this.#log.warn('control socket failed', { err }))
    this.#armOrphan()
  }

  async close(): Promise<void> {
    this.#orphan?.cancel()
    this.#orphan = undefined
    this.#agent?.destroy()
    this.#agent = undefined
    await closing(this.#server)
  }

  /** A successor has the socket's place. */
  async leave(): Promise<void> {
    this.#leaving = this.close()
    await this.#leaving
  }

  /** The successor came to nothing: the socket's place is ours again. */
  async comeBack(reason: string): Promise<void> {
    if (this.#leaving !== undefined) {
      await this.#leaving
      this.#leaving = undefined
      this.#server = createServer((socket) => this.#accept(socket))
      await this.listen(true)
    }
    this.#offer({ kind: 'hand-over-failed', reason })
  }

  #accept(socket: Socket): void {
    const before = this.#agent
    this.#agent = socket
    if (before !== undefined) this.#controlled.untapAll()
    this.#received = undefined
    before?.destroy()
    this.#orphan?.cancel()
    this.#orphan = undefined
    const lines = new LineReader(LINE_BYTES_MAX)
    socket.on('data', (chunk: Buffer) => {
      const read = lines.read(chunk)
      if (read === undefined) {
        this.#log.error('the agent sent an oversized message')
        socket.destroy()
        return
      }
      for (const line of read) this.#onLine(socket, line)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#agent !== socket) return
      this.#agent = undefined
      this.#controlled.untapAll()
      this.#logRelay?.disconnect()
      this.#armOrphan()
    })
    const { replaces } = this.#options
    this.#send(socket, {
      kind: 'hello',
      protocol: PROXY_CONTROL_PROTOCOL,
      pid: this.#options.pid,
      build: this.#options.build,
      version: this.#version,
      patchFormat: PATCH_FORMAT,
      handsOver: true,
      ...(this.#version === 0 && replaces !== undefined ? { replaces } : {}),
    })
    this.#logRelay?.connect((record) => this.#send(socket, { kind: 'log', record }))
  }

  #armOrphan(): void {
    const { orphanTimeoutMs } = this.#options
    if (orphanTimeoutMs === 0) return
    const at = instant(this.#clock.now() + orphanTimeoutMs)
    this.#orphan = this.#clock.timer(at, () => {
      this.#controlled.shutdown(0, 'no agent came back in time')
    })
  }

  #onLine(socket: Socket, line: string): void {
    const message = parseMessage(line)
    switch (message?.kind) {
      case 'configure':
        this.#take(socket, message.snapshot)
        break
      case 'patch':
        this.#take(socket, patched(this.#received, message.patch))
        break
      case 'stats':
        this.#send(socket, { kind: 'stats', stats: this.#controlled.stats() })
        break
      case 'metrics':
        this.#send(socket, { kind: 'metrics', id: message.id, text: this.#controlled.metrics() })
        break
      case 'tap':
        this.#tap(message.id, message.filter)
        break
      case 'untap':
        this.#controlled.untap(message.id)
        break
      case 'hand-over':
        this.#controlled.handOver(message.command)
        break
      case 'shutdown':
        this.#controlled.shutdown(message.drainMs, 'the agent asked for it')
        break
      default:
        this.#log.error('the agent sent a malformed message')
        socket.destroy()
    }
  }

  /** For the agent's output. @returns false when no agent is there to take it */
  output(stream: 'stdout' | 'stderr', text: string): boolean {
    return this.#offer({ kind: 'output', stream, text })
  }

  #tap(id: number, filter: TapFilter): void {
    const isOpen = this.#controlled.tap(id, filter, (event, skipped) =>
      this.#offer({ kind: 'tapped', id, event, skipped }),
    )
    if (isOpen) return
    const reason = `too many taps are open: at most ${TAPS_MAX}`
    this.#send(this.#agent, { kind: 'tap-refused', id, reason })
  }

  /** @returns false when nobody takes it */
  #offer(message: ProxyToAgent): boolean {
    const agent = this.#agent
    if (agent === undefined || agent.writableLength > BACKLOG_BYTES_MAX) return false
    this.#send(agent, message)
    return true
  }

  #take(socket: Socket, snapshot: ProxySnapshot | undefined): void {
    // Of an agent that another has replaced.
    if (socket !== this.#agent) return
    if (snapshot === undefined) {
      this.#log.error('the agent changed a configuration that it had not sent')
      socket.destroy()
      return
    }
    this.#received = snapshot
    this.#next = snapshot
    void this.#applyNext()
  }

  async #applyNext(): Promise<void> {
    if (this.#isApplying) return
    this.#isApplying = true
    while (this.#next !== undefined) {
      const snapshot = this.#next
      this.#next = undefined
      try {
        const problems = await this.#controlled.configure(snapshot)
        this.#version = snapshot.version
        this.#send(this.#agent, { kind: 'configured', version: snapshot.version, problems })
      } catch (err) {
        // The old configuration stays in force; the agent sees that this version was not acknowledged.
        this.#log.error('a configuration could not be applied', { version: snapshot.version, err })
      }
    }
    this.#isApplying = false
  }

  #send(socket: Socket | undefined, message: ProxyToAgent): void {
    if (socket !== undefined && !socket.destroyed) socket.write(`${JSON.stringify(message)}\n`)
  }
}

/** @returns undefined for what is no patch of it */
function patched(
  before: ProxySnapshot | undefined,
  patch: SnapshotPatch,
): ProxySnapshot | undefined {
  try {
    return before === undefined ? undefined : applyPatch(before, patch)
  } catch {
    return undefined // of another shape
  }
}

function parseMessage(line: string): AgentToProxy | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined
    if (value.kind === 'configure' && !('snapshot' in value)) return undefined
    if (value.kind === 'patch' && !('patch' in value)) return undefined
    if (value.kind === 'hand-over' && !isCommand(value)) return undefined
    return value as AgentToProxy
  } catch {
    return undefined
  }
}

function isCommand(value: object): boolean {
  if (!('command' in value) || !Array.isArray(value.command) || value.command.length === 0)
    return false
  return value.command.every((word) => typeof word === 'string')
}
