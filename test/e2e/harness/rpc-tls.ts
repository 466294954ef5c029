/**
 * TLS of a process that calls servers, as an agent with a configuration has it.
 */

import { decodeDocument } from '../../../core/config/decode.ts'
import { resolveConfig } from '../../../core/config/resolve.ts'
import { silentLogger } from '../../../core/log.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { AgentTls } from '../../../runtime/tls/agent-tls.ts'

/** @param text HCL */
export async function tlsOf(text: string): Promise<AgentTls> {
  const host = { hostname: 'x', interfaces: [], pathKind: () => 'missing' as const }
  const { raw } = decodeDocument(`data_dir = "/d" bind_addr = "127.0.0.1" ${text}`, 'hcl', 'x')
  const { config } = resolveConfig(raw, false, host)
  return AgentTls.open(config.tls, { clock: systemClock, log: silentLogger })
}
