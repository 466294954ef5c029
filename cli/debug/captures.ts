/**
 * What `fairlead debug` can gather from an agent, each a file or several in the folder.
 *
 * Nothing here fails the whole: what cannot be had is noted, and the rest goes on.
 */

import type { Clock } from '../../core/time.ts'
import type { ApiClient } from '../api-client.ts'
import type { CaptureFolder } from './capture-folder.ts'

export const CAPTURES = ['agent', 'host', 'logs', 'members', 'metrics', 'pprof'] as const

export type Capture = (typeof CAPTURES)[number]

export interface CaptureDeps {
  readonly client: ApiClient
  readonly folder: CaptureFolder
  readonly clock: Clock
  /** Ends what follows the agent. */
  readonly signal: AbortSignal
  readonly durationMs: number
  readonly intervalMs: number
  readonly note: (problem: string) => void
}

/** What does not change while it is looked at. */
const ONCE: Readonly<Partial<Record<Capture, readonly [path: string, file: string]>>> = {
  agent: ['/v1/agent/self', 'agent.json'],
  host: ['/v1/agent/host', 'host.json'],
  members: ['/v1/agent/members', 'members.json'],
}

export async function captureOnce(wanted: readonly Capture[], deps: CaptureDeps): Promise<void> {
  for (const capture of wanted) {
    const source = ONCE[capture]
    if (source === undefined) continue
    const [path, file] = source
    await noting(deps, file, async () => {
      await deps.folder.write(file, (await deps.client.get(path, { query: { pretty: '' } })).body)
    })
  }
}

/** Resolves when the time is over, or `signal` has ended it. */
export async function captureOverTime(
  wanted: readonly Capture[],
  deps: CaptureDeps,
): Promise<void> {
  const running: Promise<void>[] = []
  if (wanted.includes('logs')) running.push(follow(deps, 'consul.log', LOG))
  if (wanted.includes('metrics')) running.push(follow(deps, 'metrics.json', METRICS))
  if (wanted.includes('pprof')) running.push(profile(deps), heaps(deps))
  await Promise.all(running)
}

type Stream = readonly [path: string, query: Readonly<Record<string, string>>]

const LOG: Stream = ['/v1/agent/monitor', { loglevel: 'debug' }]
const METRICS: Stream = ['/v1/agent/metrics/stream', {}]

async function follow(deps: CaptureDeps, file: string, [path, query]: Stream): Promise<void> {
  await noting(deps, file, async () => {
    // An agent that has nothing to say is shown as that.
    await deps.folder.append(file, new Uint8Array(0))
    const bytes = await deps.client.download(path, query, deps.signal)
    for await (const piece of bytes) await deps.folder.append(file, piece)
  })
}

/** The whole time but a little, so that it comes before the end. */
async function profile(deps: CaptureDeps): Promise<void> {
  const seconds = String(Math.max(1, Math.floor(deps.durationMs / 1_000) - 1))
  await noting(deps, 'profile.cpuprofile', async () => {
    const answer = await deps.client.get('/debug/pprof/profile', {
      query: { seconds },
      signal: deps.signal,
    })
    await deps.folder.write('profile.cpuprofile', answer.body)
  })
}

async function heaps(deps: CaptureDeps): Promise<void> {
  const { client, folder, clock, signal, intervalMs } = deps
  for (let round = 0; !signal.aborted; round++) {
    const file = `${round}/heap.json`
    await noting(deps, file, async () => {
      await folder.write(file, (await client.get('/debug/pprof/heap', { signal })).body)
    })
    await noting(deps, file, () => clock.sleep(intervalMs, signal))
  }
}

/** An end that was asked for is no problem. */
async function noting(
  { note, signal }: CaptureDeps,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    if (signal.aborted) return
    note(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}
