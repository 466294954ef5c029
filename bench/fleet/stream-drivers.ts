/**
 * The processes that hold the streams of simulated agents (stream-driver.ts), AGENTS_A_PROCESS each.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { DriverPlan, FromDriver } from './stream-driver.ts'

/** Below the limit of open files of a process on most machines. */
const AGENTS_A_PROCESS = 5_000

export interface Drivers extends AsyncDisposable {
  /** Resolves after the next change with when the last agent of each process has had it, in ms since 1970. */
  lastSeen(): Promise<number>
}

export async function startDrivers(plan: DriverPlan): Promise<Drivers> {
  const children: ChildProcess[] = []
  for (let left = plan.streams; left > 0; left -= AGENTS_A_PROCESS) {
    const child = fork(new URL('./stream-driver.ts', import.meta.url))
    children.push(child)
    const ready = heard(child)
    child.send({ ...plan, streams: Math.min(left, AGENTS_A_PROCESS) })
    // One after the other, so that servers do not turn agents away.
    await ready
  }
  return {
    lastSeen: async () => {
      const seen = await Promise.all(children.map(heard))
      return Math.max(...seen.map((one) => (one === 'ready' ? 0 : one.lastSeenAt)))
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of children) {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
    },
  }
}

/** @throws when the process has ended instead */
function heard(child: ChildProcess): Promise<FromDriver> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      child.off('exit', onExit)
      // Its own word: see `tell` in the driver.
      resolve(message as FromDriver)
    }
    const onExit = (code: number | null): void => {
      child.off('message', onMessage)
      reject(new Error(`the driver of the streams has ended with ${code}`))
    }
    child.once('message', onMessage).once('exit', onExit)
  })
}
