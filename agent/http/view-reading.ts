/**
 * Health of a service out of what servers stream to this agent (http-api.md 6), on client agents.
 *
 * Guarantees: any number of watchers of a service cost one subscription, and its view stays warm for a while after
 * the last; while no server can be reached the last view answers reads that do not ask for consistency, at once
 * where that is known, and says so: no known leader, the age of what is known, `stale`. A read of another
 * datacentre or with `near` goes to the servers.
 * Bounds: those of the views; a view that was never filled is waited for as long as requests are held.
 */

import { selectHealth } from '../../core/catalog/read-catalog.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Reads } from '../../core/rpc/reads.ts'
import { instant } from '../../core/time.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'
import type { View } from '../view/types.ts'
import type { HttpCall } from './call.ts'
import { seenEntries } from './local-rights.ts'
import type { ReadParameters } from './query-options.ts'
import { type Answer, cacheHeaders, metaHeaders } from './reading.ts'

type Request = Reads['health.service']['request']
type HealthView = View<'health' | 'connect'>

/** Failures after which an older answer is better than none. */
const UNREACHABLE: ReadonlySet<string> = new Set(['NO_SERVERS', 'NO_LEADER'])

/** @returns undefined when the servers are to be asked. @throws FairleadError NO_SERVERS, or the abort reason */
export async function askView(
  call: HttpCall,
  parameters: ReadParameters,
  request: Request,
): Promise<Answer<'health.service'> | undefined> {
  const view = viewOf(call, parameters, request)
  if (view === undefined) return undefined
  try {
    if (isStreamed(parameters)) return await streamed(call, view, parameters, request)
    // The servers were given up for longer than a request is held: it would only wait for nothing.
    const isAlone = view.isReady && view.staleMs > call.agent.config.rpcHoldTimeoutMs
    return isAlone ? await staleAnswer(call, view, parameters, request) : undefined
  } finally {
    view.release()
  }
}

/** As the servers answer, or from the last view when none of them does. */
export async function askViewOnFailure(
  call: HttpCall,
  parameters: ReadParameters,
  request: Request,
  ask: () => Promise<Answer<'health.service'>>,
): Promise<Answer<'health.service'>> {
  try {
    return await ask()
  } catch (thrown) {
    if (!UNREACHABLE.has(toFairleadError(thrown).code)) throw thrown
    const view = viewOf(call, parameters, request)
    const isOfUse = view?.isReady === true && parameters.minIndex === 0
    const answer = isOfUse ? await staleAnswer(call, view, parameters, request) : undefined
    view?.release()
    if (answer === undefined) throw thrown
    return answer
  }
}

/** Opened for every question, so that what this host asks for is at hand when no server is. */
function viewOf(
  call: HttpCall,
  { datacenter, consistency }: ReadParameters,
  { service, connect, mergeCentral }: Request,
): HealthView | undefined {
  // A view has no config entries.
  if (mergeCentral === true) return undefined
  if (datacenter !== undefined || consistency === 'consistent') return undefined
  const { views } = call.agent
  try {
    return connect === true ? views?.open('connect', service) : views?.open('health', service)
  } catch {
    return undefined // as many views as may be: this one is not kept, and the servers are asked
  }
}

function isStreamed({ minIndex, cached, near }: ReadParameters): boolean {
  if (near !== '' || cached?.mustRevalidate === true) return false
  return minIndex > 0 || cached !== undefined
}

async function streamed(
  call: HttpCall,
  view: HealthView,
  parameters: ReadParameters,
  request: Request,
): Promise<Answer<'health.service'> | undefined> {
  const { clock, config } = call.agent
  const isHit = view.isReady
  // What the servers do not feed to this agent they may tell the caller.
  if (!isHit && call.agent.acl !== undefined) return undefined
  if (!isHit) {
    await withDeadline(clock, config.rpcHoldTimeoutMs, call.signal, (signal) => view.ready(signal))
  }
  const { cached, minIndex } = parameters
  // Too old for the caller: the servers are asked, and say why they cannot be.
  if (cached?.maxAgeMs !== undefined && view.staleMs > cached.maxAgeMs) {
    const mayBe = cached.staleIfErrorMs ?? -1
    if (view.staleMs > mayBe) return undefined
  }
  if (minIndex > 0) await changed(call, view, parameters)
  const facts = factsOf(view)
  const headers = metaHeaders(facts, 'streaming')
  if (cached !== undefined) headers.push(...cacheHeaders(isHit, view.staleMs))
  return viewAnswer(call, view, request, { facts, parameters, headers })
}

async function staleAnswer(
  call: HttpCall,
  view: HealthView,
  parameters: ReadParameters,
  request: Request,
): Promise<Answer<'health.service'>> {
  const facts = { ...factsOf(view), knownLeader: false }
  const headers = metaHeaders(facts, 'stale')
  headers.push(...cacheHeaders(true, view.staleMs))
  return viewAnswer(call, view, request, { facts, parameters, headers })
}

/** The view is this agent's: a caller sees of it what he may. */
async function viewAnswer(
  call: HttpCall,
  view: HealthView,
  request: Request,
  answer: {
    readonly facts: ReturnType<typeof factsOf>
    readonly parameters: ReadParameters
    readonly headers: string[]
  },
): Promise<Answer<'health.service'>> {
  const { facts, parameters, headers } = answer
  const value = selectHealth([...view.items().values()], request)
  if (call.agent.acl === undefined) return { value, ...facts, parameters, headers }
  const seen = seenEntries(await call.bearer(), value)
  if (seen.isFiltered) headers.push('X-Consul-Results-Filtered-By-Acls', 'true')
  return { value: seen.value, ...facts, parameters, headers }
}

function factsOf(view: HealthView): {
  readonly index: number
  readonly knownLeader: boolean
  readonly lastContactMs: number
} {
  return { index: view.index, knownLeader: !view.isStale, lastContactMs: view.staleMs }
}

/** Resolves when the view is past the index, or when the wait is over. @throws the abort reason of the call */
function changed(call: HttpCall, view: HealthView, parameters: ReadParameters): Promise<void> {
  const { minIndex, waitMs } = parameters
  if (view.index > minIndex) return Promise.resolve()
  const { clock } = call.agent
  const { signal } = call
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      stopListening()
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      act()
    }
    const onAbort = (): void => settle(() => reject(signal.reason))
    const stopListening = view.onChange(() => {
      if (view.index > minIndex) settle(resolve)
    })
    const timer = clock.timer(instant(clock.now() + waitMs), () => settle(resolve))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
