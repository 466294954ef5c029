/**
 * agent/host (http-api.md 9.2): facts of the machine in lower camel case, sizes in bytes.
 *
 * What the system does not tell is left at zero or empty; a disk that cannot be read is noted in `Errors`.
 */

import { statfs } from 'node:fs/promises'
import { arch, cpus, freemem, hostname, platform, release, totalmem, uptime } from 'node:os'
import type { AgentContext } from '../context.ts'
import { opaque } from './json.ts'

const NS_PER_MS = 1_000_000

export async function hostJson({ config, clock, local }: AgentContext): Promise<string> {
  const errors: string[] = []
  const disk = await diskFacts(config.dataDir, errors)
  const now = clock.wall()
  return opaque({
    CPU: cpus().map((cpu, i) => ({ cpu: i, modelName: cpu.model, mhz: cpu.speed })),
    CollectionTime: now * NS_PER_MS,
    Disk: disk,
    Errors: errors.length === 0 ? null : errors,
    Host: {
      bootTime: Math.round(now / 1000 - uptime()),
      hostId: local.nodeId,
      hostname: hostname(),
      kernelArch: arch(),
      kernelVersion: release(),
      os: platform(),
      uptime: Math.round(uptime()),
    },
    Memory: memoryFacts(),
  })
}

function memoryFacts(): Readonly<Record<string, number>> {
  const total = totalmem()
  const available = freemem()
  const used = total - available
  return { available, free: available, total, used, usedPercent: (used / total) * 100 }
}

async function diskFacts(
  path: string,
  errors: string[],
): Promise<Readonly<Record<string, string | number>> | null> {
  if (path === '') return null
  try {
    const facts = await statfs(path)
    const total = facts.blocks * facts.bsize
    const free = facts.bavail * facts.bsize
    const used = (facts.blocks - facts.bfree) * facts.bsize
    return {
      free,
      inodesFree: facts.ffree,
      inodesTotal: facts.files,
      inodesUsed: facts.files - facts.ffree,
      path,
      total,
      used,
      usedPercent: used + free === 0 ? 0 : (used / (used + free)) * 100,
    }
  } catch (thrown) {
    errors.push(`disk: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    return null
  }
}
