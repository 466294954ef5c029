/**
 * A process of simulated agents (subscriber.ts), told what to do by the benchmark that started it (stream-drivers.ts).
 *
 * Says `ready` when every agent has what it follows, then, after each change that all of them get, when the last had
 * it, in ms since 1970.
 */

import { agentTls } from '../cluster/certificates.ts'
import { Subscriber } from './subscriber.ts'

export interface DriverPlan {
  readonly address: string
  readonly streams: number
  /** How many services each agent follows: the first, and others in turn. */
  readonly topics: number
  readonly services: number
  /** Of certificates; absent where TLS is off. */
  readonly tlsFolder?: string
}

export type FromDriver = 'ready' | { readonly lastSeenAt: number }

/** All drivers together stay below what servers admit in a second. */
const OPENED_AT_A_TIME = 50
const OPENED_EVERY_MS = 250

async function drive(plan: DriverPlan): Promise<void> {
  const { address, streams, topics, services, tlsFolder } = plan
  const tls = tlsFolder === undefined ? undefined : await agentTls(tlsFolder)
  const opened: Subscriber[] = []
  while (opened.length < streams) {
    const count = Math.min(OPENED_AT_A_TIME, streams - opened.length)
    const batch = await Promise.all(
      Array.from({ length: count }, () =>
        Subscriber.open(address, new AbortController().signal, tls),
      ),
    )
    const filled = Promise.all(batch.map((one) => one.receives(topics)))
    for (const [i, one] of batch.entries()) {
      one.follow('service0')
      for (let topic = 1; topic < topics; topic++) {
        one.follow(`service${1 + ((opened.length + i + topic) % (services - 1))}`)
      }
    }
    await filled
    opened.push(...batch)
    await new Promise((resolve) => setTimeout(resolve, OPENED_EVERY_MS))
  }
  const expectNext = (): void => {
    let left = opened.length
    const onSeen = (): void => {
      left -= 1
      if (left > 0) return
      tell({ lastSeenAt: performance.timeOrigin + performance.now() })
      expectNext()
    }
    for (const one of opened) one.after(1, onSeen)
  }
  expectNext()
  tell('ready')
}

function tell(message: FromDriver): void {
  process.send?.(message)
}

process.once('message', (plan: DriverPlan) => void drive(plan))
process.once('disconnect', () => process.exit())
