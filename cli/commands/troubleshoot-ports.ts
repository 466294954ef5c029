/**
 * `fairlead troubleshoot ports`: which TCP ports of a host can be reached from here (cli.md section 13).
 *
 * Asks no agent. Bounds: PORTS_MAX ports, all at once, each for at most WAIT_MS.
 */

import { connect } from 'node:net'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'
import { type Arguments, type CommandSpec, flag, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

/** Of an agent, where nothing else is configured. */
const DEFAULT_PORTS = [8600, 8500, 8501, 8502, 8503, 8301, 8302, 8300]
const PORTS_MAX = 64
const WAIT_MS = 3_000

export const troubleshootPortsCommand: CommandSpec = {
  summary: 'Show which ports of a host can be reached; exit code 1 when one of -ports cannot',
  usage: '',
  flags: [
    flag('host', 'address', 'the host; required'),
    flag('ports', 'ports', `separated by commas (default: ${DEFAULT_PORTS.join(',')})`),
    formatFlag,
  ],
  run: async (args, context) => {
    const host = args.text('host') ?? ''
    if (host === '') throw new UsageError('-host is required')
    const ports = portsOf(args)
    const wantsJson = isJson(args)
    const found = await Promise.all(
      ports.map(async (port) => ({ port, problem: await problemOf(host, port) })),
    )
    if (wantsJson) {
      printJson(
        context,
        found.map(({ port, problem }) => ({
          Host: host,
          Port: port,
          Open: problem === '',
          Problem: problem,
        })),
      )
    } else {
      for (const { port, problem } of found) {
        const state = problem === '' ? 'is open' : `is not reachable: ${problem}`
        context.stdout(`TCP: Port ${port} on ${host} ${state}\n`)
      }
    }
    // By default ports are looked at that few agents open.
    return args.has('ports') && found.some(({ problem }) => problem !== '') ? 1 : 0
  },
}

/** @throws UsageError */
function portsOf(args: Arguments): readonly number[] {
  const text = args.text('ports')
  if (text === undefined) return DEFAULT_PORTS
  const ports = text.split(',').map((part) => {
    const port = Number(part.trim())
    if (/^\s*[0-9]{1,5}\s*$/.test(part) && port > 0 && port <= 65_535) return port
    throw new UsageError(`-ports takes ports separated by commas, got "${part}"`)
  })
  if (ports.length > PORTS_MAX) throw new UsageError(`-ports takes at most ${PORTS_MAX} ports`)
  return ports
}

/** @returns '' when a connection could be made */
async function problemOf(host: string, port: number): Promise<string> {
  const never = new AbortController().signal
  try {
    await withDeadline(systemClock, WAIT_MS, never, (signal) => reach(host, port, signal))
    return ''
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED') return 'connection refused'
    return code === 'NO_SERVERS' ? `no answer in ${WAIT_MS} ms` : message
  }
}

function reach(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const onAbort = (): void => void socket.destroy(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => signal.removeEventListener('abort', onAbort))
  })
}
