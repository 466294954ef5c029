/**
 * Asks the probe of a server (probe.ts).
 */

import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import type { ProcessMemory, Stall } from './probe.ts'

export async function memoryOf(probe: string): Promise<ProcessMemory> {
  return (await ask(probe, 'memory')) as ProcessMemory
}

/** Stalls since the last time. */
export async function stallsOf(probe: string): Promise<readonly Stall[]> {
  const { stalls, dropped } = (await ask(probe, 'stalls')) as { stalls: Stall[]; dropped: number }
  if (dropped > 0) console.log(`${dropped} stalls more than the probe holds`)
  return stalls
}

async function ask(probe: string, word: 'memory' | 'stalls'): Promise<unknown> {
  const socket = createConnection(probe)
  socket.write(word)
  return JSON.parse(await text(socket))
}
