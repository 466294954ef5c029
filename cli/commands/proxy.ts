/**
 * `fairlead proxy run`: the mesh proxy of this host, started by the agent (hidden from help).
 *
 * Ends when its agent says so, when it has had no agent for `-orphan-timeout`, or on SIGTERM, each time after
 * letting exchanges finish. SIGUSR2 starts the same program anew in its place, with no connection lost. Ctrl-C is for the
 * agent: SIGINT and SIGHUP are ignored.
 */

import type { LogLevel } from '../../core/config/model.ts'
import { parseDurationMs } from '../../core/duration.ts'
import { instant } from '../../core/time.ts'
import { LogRelay } from '../../proxy/control/relay-log.ts'
import { runProxy } from '../../proxy/main.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { systemRng } from '../../runtime/random/system-random.ts'
import { type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { proxyBuild, readVersion } from '../version.ts'

const DRAIN_MS = 5_000
const TAKE_OVER = '-take-over'
const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error']

export const proxyCommand: CommandSpec = {
  summary: 'The mesh proxy of this host; started by the agent',
  usage: '',
  flags: [
    flag('control', 'path', 'Unix socket on which the agent controls the proxy'),
    flag('orphan-timeout', 'duration', 'end after this long without an agent; 0s: never'),
    toggle('take-over', 'take the place of the proxy that started this one'),
    flag('log-level', 'level', 'trace, debug, info, warn or error'),
  ],
  run: async (args) => {
    const controlSocket = args.text('control')
    if (controlSocket === undefined) throw new UsageError('-control is required')
    const orphanTimeoutMs = parseDurationMs(args.text('orphan-timeout') ?? '0s')
    if (orphanTimeoutMs === undefined) throw new UsageError('-orphan-timeout takes a duration')
    const level = args.text('log-level') ?? 'info'
    if (!isLevel(level)) throw new UsageError(`-log-level cannot be "${level}"`)
    const takesOver = args.bool('take-over')
    if (takesOver && process.send === undefined) {
      throw new UsageError('-take-over is for a proxy that another one starts: send that SIGUSR2')
    }
    const logRelay = new LogRelay(level)
    const proxy = await runProxy(
      {
        controlSocket,
        orphanTimeoutMs,
        build: proxyBuild(readVersion().version),
        successor: successorCommand(),
      },
      {
        clock: systemClock,
        rng: systemRng(),
        log: logRelay.logger(''),
        logRelay,
        ...(takesOver ? { predecessor: { channel: process, pid: process.ppid } } : {}),
      },
    )
    const onTerm = async (): Promise<void> => {
      await proxy.drain(instant(systemClock.now() + DRAIN_MS))
      await proxy.stop()
    }
    process.on('SIGTERM', () => void onTerm())
    process.on('SIGUSR2', () => proxy.handOver())
    for (const signal of ['SIGINT', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => {})
    await proxy.ended
    return 0
  },
}

/** What runs here, anew: another version if it has been replaced on the disk. */
function successorCommand(): readonly [string, ...string[]] {
  const [, ...args] = process.argv
  const words = args.filter((word) => word !== TAKE_OVER)
  return [process.execPath, ...process.execArgv, ...words, TAKE_OVER]
}

function isLevel(text: string): text is LogLevel {
  return LEVELS.includes(text)
}
