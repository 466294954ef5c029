/**
 * From a check's specification to the probe that runs it, with the default time limits of http-api.md 10.1.
 */

import { assertNever } from '../../core/assert.ts'
import { OUTPUT_MAX_BYTES, outputLimit } from '../../core/health/output.ts'
import type { Clock } from '../../core/time.ts'
import { grpcProbe } from '../../runtime/probe/grpc-probe.ts'
import { h2pingProbe } from '../../runtime/probe/h2ping-probe.ts'
import { httpProbe } from '../../runtime/probe/http-probe.ts'
import type { Probe, ProbeTlsOptions } from '../../runtime/probe/probe.ts'
import { scriptProbe } from '../../runtime/probe/script-probe.ts'
import { tcpProbe } from '../../runtime/probe/tcp-probe.ts'
import { udpProbe } from '../../runtime/probe/udp-probe.ts'
import { checkTypeOf } from '../local/check-type.ts'
import type { CheckSpec } from '../local/types.ts'
import { hostProbe } from './host-probe.ts'

const NETWORK_TIMEOUT_MS = 10_000
const SCRIPT_TIMEOUT_MS = 30_000

export interface TimedProbe {
  readonly probe: Probe
  readonly timeoutMs: number
}

/** @returns undefined for checks that nothing probes: ttl, alias, and those refused at registration */
export function probeOf(
  spec: CheckSpec,
  context: { readonly outputMaxSize: number; readonly clock: Clock },
): TimedProbe | undefined {
  const outputMaxBytes = outputLimit(context.outputMaxSize || OUTPUT_MAX_BYTES, spec.outputMaxSize)
  const tls: ProbeTlsOptions = { serverName: spec.tlsServerName, skipVerify: spec.tlsSkipVerify }
  const network = (probe: Probe): TimedProbe => ({
    probe,
    timeoutMs: spec.timeoutMs > 0 ? spec.timeoutMs : NETWORK_TIMEOUT_MS,
  })
  const local = (probe: Probe): TimedProbe => ({
    probe,
    timeoutMs: spec.timeoutMs > 0 ? spec.timeoutMs : SCRIPT_TIMEOUT_MS,
  })
  const type = checkTypeOf(spec)
  switch (type) {
    case 'http':
      return spec.http && network(httpProbe({ ...spec.http, tls, outputMaxBytes }))
    case 'tcp':
      return spec.tcp && network(tcpProbe(spec.tcp.address, spec.tcp.useTls ? tls : undefined))
    case 'udp':
      return spec.udp && network(udpProbe(spec.udp.address))
    case 'grpc':
      return spec.grpc && network(grpcProbe(spec.grpc.target, spec.grpc.useTls ? tls : undefined))
    case 'h2ping':
      return (
        spec.h2ping &&
        network(h2pingProbe(spec.h2ping.address, spec.h2ping.useTls ? tls : undefined))
      )
    case 'script':
      return (
        spec.script &&
        local(scriptProbe({ args: spec.script.args, outputMaxBytes }, { clock: context.clock }))
      )
    case 'host':
      return spec.host && local(hostProbe(spec.host))
    case 'ttl':
    case 'alias':
    case 'docker':
    case 'os_service':
    case '':
      return undefined
    default:
      return assertNever(type, 'check type')
  }
}
