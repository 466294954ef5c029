/**
 * Asks the probe of a server (probe.ts), and says how long the server stood still at most.
 */

import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Figure } from '../figures.ts'
import type { ProcessMemory, Record, Stall } from './probe.ts'

/** No turn of a server's event loop may be longer while it takes an image. */
const MARK_MS = 50

export interface KnownStall extends Stall {
  /** The share of the garbage collector. */
  readonly gcMs: number
}

export async function memoryOf(probe: string): Promise<ProcessMemory> {
  return (await ask(probe, 'memory')) as ProcessMemory
}

/** What happened so far does not count. */
export async function forgetStalls(probe: string): Promise<void> {
  await ask(probe, 'forget')
}

/** Stalls since the last time. */
export async function stallsOf(probe: string): Promise<readonly KnownStall[]> {
  const { stalls, collections, dropped } = (await ask(probe, 'stalls')) as Record
  if (dropped > 0) console.log(`${dropped} stalls or collections more than the probe holds`)
  return stalls.map((stall) => {
    let gcMs = 0
    for (const { from, to } of collections) {
      gcMs += Math.max(0, Math.min(to, stall.at) - Math.max(from, stall.at - stall.durationMs - 1))
    }
    return { ...stall, gcMs }
  })
}

export function longestStalls(whose: string, stalls: readonly KnownStall[]): readonly Figure[] {
  const largest = (pick: (stall: KnownStall) => number): number => Math.max(0, ...stalls.map(pick))
  const mark = { name: 'the mark', value: MARK_MS }
  return [
    { name: `longest stall ${whose}`, value: largest((s) => s.durationMs), unit: 'ms', mark },
    { name: '  most CPU in one', value: largest((s) => s.cpuMs), unit: 'ms', mark },
    { name: '  most collection of garbage in one', value: largest((s) => s.gcMs), unit: 'ms' },
    {
      name: '  longest but for collections',
      value: largest((s) => s.durationMs - s.gcMs),
      unit: 'ms',
      mark,
    },
  ]
}

async function ask(probe: string, word: 'memory' | 'stalls' | 'forget'): Promise<unknown> {
  const socket = createConnection(probe)
  socket.write(word)
  return JSON.parse(await text(socket))
}
