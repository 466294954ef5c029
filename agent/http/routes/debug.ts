/**
 * /debug/pprof: profiles of the running agent, where `enable_debug` is set (http-api.md 26).
 *
 * They are those of this runtime and not of Go's: the CPU profile is what the developer tools of Chrome and Node
 * open. Everything else below the path is 404, as everything is while debugging is off.
 */

import { FairleadError } from '../../../core/errors.ts'
import { CPU_PROFILE_MS_MAX } from '../../../runtime/profile/cpu-profile.ts'
import { heapReport } from '../../../runtime/profile/heap-statistics.ts'
import type { HttpCall } from '../call.ts'
import { emptyReply, JSON_TYPE, jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'

export const DEBUG_ROUTES: readonly Route[] = [
  {
    path: '/debug/pprof/',
    doc: 'With enable_debug: profile (a CPU profile of `seconds`) and heap (use of memory)',
    query: ['seconds'],
    methods: { GET: debug },
  },
]

const SECONDS_DEFAULT = 30

async function debug(call: HttpCall): Promise<Reply> {
  if (!call.agent.config.enableDebug) return emptyReply(404)
  switch (call.suffix) {
    case 'profile':
      return await profile(call)
    case 'heap':
      return jsonReply(JSON.stringify(heapReport()))
    default:
      return emptyReply(404)
  }
}

async function profile({ agent, query, signal }: HttpCall): Promise<Reply> {
  const given = query.get('seconds')
  const seconds = given === '' ? SECONDS_DEFAULT : Number(given)
  const max = CPU_PROFILE_MS_MAX / 1_000
  if (!(seconds > 0 && seconds <= max)) {
    throw new FairleadError(
      'BAD_REQUEST',
      `Invalid seconds: ${given}; use more than 0, up to ${max}`,
    )
  }
  const text = await agent.profiler.take(seconds * 1_000, signal)
  // Not indented, whatever the mode: nobody reads it by eye, and it is long.
  return { status: 200, type: JSON_TYPE, headers: [], body: Buffer.from(text) }
}
