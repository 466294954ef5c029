/**
 * Writes to the servers on behalf of a request.
 *
 * The leader stamps the time of a command; the one given here only fills its field. A client that hangs up
 * does not take a write back, so writes carry no abort signal.
 */

import type { ApplyValue, Command } from '../../core/catalog/commands.ts'
import { FairleadError } from '../../core/errors.ts'
import type { WriteResult } from '../../core/rpc/server-api.ts'
import { type WallTime, wallTime } from '../../core/time.ts'
import type { HttpCall } from './call.ts'
import { datacenterOf } from './query-options.ts'
import { jsonReply, type Reply } from './reply.ts'

/** @param datacenter default: that of the request. @throws FairleadError of the servers */
export async function write(
  call: HttpCall,
  command: Command,
  datacenter: string | undefined = datacenterOf(call),
): Promise<WriteResult> {
  return call.servers.write(command, datacenter === undefined ? {} : { datacenter })
}

/** As `write`, for commands that are no transaction. */
export async function apply(
  call: HttpCall,
  command: Command,
  datacenter?: string,
): Promise<ApplyValue> {
  const result = await write(call, command, datacenter)
  if (result.ok) return result.value
  throw new FairleadError('INTERNAL', 'A command that is no transaction was answered as one')
}

export function nowOf(call: HttpCall): WallTime {
  return wallTime(call.agent.clock.wall())
}

/** The body of a write that has nothing else to say. */
export const TRUE_REPLY: Reply = jsonReply('true')
