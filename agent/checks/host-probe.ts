/**
 * Host check, fairlead's own: use of processors, memory or a file system against two thresholds in percent.
 */

import { assertNever } from '../../core/assert.ts'
import { cpuUsedPercent, diskUsage, memoryUsedPercent } from '../../runtime/host/host-usage.ts'
import { critical, type Probe, type ProbeResult } from '../../runtime/probe/probe.ts'
import type { CheckSpec } from '../local/types.ts'

type HostSpec = NonNullable<CheckSpec['host']>

interface Reading {
  readonly usedPercent: number
  readonly of: string
}

export function hostProbe(
  spec: HostSpec,
  readings: (spec: HostSpec) => Promise<Reading> = readHost,
): Probe {
  return async (signal) => {
    signal.throwIfAborted()
    let reading: Reading
    try {
      reading = await readings(spec)
    } catch (error) {
      return critical(error instanceof Error ? error.message : String(error))
    }
    return judge(spec, reading)
  }
}

async function readHost(spec: HostSpec): Promise<Reading> {
  switch (spec.resource) {
    case 'cpu':
      return { usedPercent: await cpuUsedPercent(), of: 'cpu' }
    case 'memory':
      return { usedPercent: await memoryUsedPercent(), of: 'memory' }
    case 'disk': {
      const { usedPercent, mount } = await diskUsage(spec.path)
      return { usedPercent, of: `disk ${mount}` }
    }
    default:
      return assertNever(spec.resource, 'host resource')
  }
}

function judge(spec: HostSpec, { usedPercent, of }: Reading): ProbeResult {
  const used = `${of}: ${usedPercent.toFixed(1)}% used`
  if (usedPercent >= spec.criticalPercent) {
    return critical(`${used}, critical from ${spec.criticalPercent}%`)
  }
  if (usedPercent >= spec.warningPercent) {
    return { status: 'warning', output: `${used}, warning from ${spec.warningPercent}%` }
  }
  return { status: 'passing', output: used }
}
