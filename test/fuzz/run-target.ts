/**
 * Runs one decoder on many damaged inputs and says what broke: a foreign exception, a decoder that is slow
 * or takes much memory, bytes that do not survive being written and read again.
 *
 * Reproducible: input n of a seed is always the same. The finding carries the input in base64.
 */

import { type Rng, seededRng } from '../../core/rng.ts'
import { mutate, noise } from './mutate.ts'
import type { FuzzTarget } from './target.ts'

/** A decoder may take a millisecond a KiB, and this much whatever the size: the machine has other work. */
const SLACK_MS = 100
const MS_PER_KIB = 1
const GROWTH_BYTES_MAX = 64 * 1024 * 1024
const LOOKS_AT_MEMORY_EVERY = 512

export interface Finding {
  readonly target: string
  readonly input: number
  readonly seed: number
  readonly problem: string
  readonly base64: string
}

export interface FuzzReport {
  readonly inputs: number
  /** Inputs that the decoder took. */
  readonly accepted: number
  readonly findings: readonly Finding[]
}

export function runTarget(
  target: FuzzTarget,
  options: { readonly seed: number; readonly inputs: number },
): FuzzReport {
  const findings: Finding[] = []
  let accepted = 0
  let memory = usedBytes()
  const rng = seededRng(options.seed).fork(target.name)
  for (let input = 0; input < options.inputs && findings.length < 5; input++) {
    const bytes = inputOf(target, rng.fork(`${input}`))
    const { problem, isAccepted } = tryOne(target, bytes)
    if (isAccepted) accepted++
    let grown = ''
    if (input % LOOKS_AT_MEMORY_EVERY === 0) {
      const now = usedBytes()
      if (now - memory > GROWTH_BYTES_MAX && globalThis.gc !== undefined) {
        globalThis.gc()
        if (usedBytes() - memory > GROWTH_BYTES_MAX) grown = `holds ${now - memory} bytes more`
      }
      memory = usedBytes()
    }
    const found = problem ?? (grown === '' ? undefined : grown)
    if (found === undefined) continue
    const base64 = Buffer.from(bytes).toString('base64')
    findings.push({ target: target.name, input, seed: options.seed, problem: found, base64 })
  }
  return { inputs: options.inputs, accepted, findings }
}

function inputOf(target: FuzzTarget, rng: Rng): Uint8Array {
  if (rng.float() < 0.1) return noise(rng)
  const valid = target.valid(rng)
  return rng.float() < 0.05 ? valid : mutate(valid, target.valid(rng), rng)
}

function tryOne(
  target: FuzzTarget,
  bytes: Uint8Array,
): { readonly problem: string | undefined; readonly isAccepted: boolean } {
  const begun = performance.now()
  try {
    const again = target.decode(bytes)
    const tookMs = performance.now() - begun
    if (tookMs > SLACK_MS + (bytes.length / 1024) * MS_PER_KIB && isSlow(target, bytes)) {
      return { problem: `took ${Math.round(tookMs)} ms`, isAccepted: true }
    }
    if (again === undefined || again === null) {
      return { problem: undefined, isAccepted: again === undefined }
    }
    const twice = target.decode(again)
    const isStable = twice instanceof Uint8Array && Buffer.compare(again, twice) === 0
    const problem = isStable ? undefined : 'does not survive being written and read again'
    return { problem, isAccepted: true }
  } catch (thrown) {
    if (target.isDeclared(thrown)) return { problem: undefined, isAccepted: false }
    const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
    return { problem: `threw ${text}`, isAccepted: false }
  }
}

/** Slow twice more: then it was not a pause of the machine. */
function isSlow(target: FuzzTarget, bytes: Uint8Array): boolean {
  for (let i = 0; i < 2; i++) {
    const begun = performance.now()
    target.decode(bytes)
    if (performance.now() - begun <= SLACK_MS) return false
  }
  return true
}

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
