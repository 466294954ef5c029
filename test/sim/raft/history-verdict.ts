/**
 * Judges what the clients of a run saw (verification 15, 16): linearizable by search, explained by the
 * servers' own indexes, nothing acknowledged lost, nothing executed twice.
 */

import assert from 'node:assert/strict'
import type { Entry } from '../../../core/raft/types.ts'
import { checkWitness, type Witnessed } from '../../history/index-witness.ts'
import { type KvInput, type KvOutput, kvModel } from '../../history/kv-model.ts'
import { checkLinearizability } from '../../history/linearizability.ts'
import type { Operation } from '../../history/operations.ts'
import type { Recorded } from './clients.ts'
import type { Counters } from './counters.ts'
import type { MachineKind, MachineResult } from './state-machines.ts'

/** A search that takes longer gives up; the judgement by indexes has no limit. */
const LIMITS = { stepsMax: 250_000, bytesMax: 64 * 1_048_576 }

export interface JudgeInput {
  readonly records: readonly Recorded[]
  readonly committed: readonly Entry[]
  readonly machine: MachineKind
  readonly resultAt: (
    index: number,
  ) => { readonly result: MachineResult; readonly index: number } | undefined
  readonly counters: Counters
}

export function judgeHistory(input: JudgeInput): void {
  const { records, counters } = input
  const firstIndexes = indexesByName(input)
  const operations = records.map(({ operation }) => operation)
  const report = checkLinearizability(operations, kvModel, LIMITS)
  counters.add(`history.${report.verdict}`)
  counters.add('history.operations', report.operations)
  if (report.verdict === 'violation') {
    assert.fail(
      `I18: the history is not linearizable: ${JSON.stringify(report.counterexample?.impossible)} after ${JSON.stringify(report.counterexample?.explained.slice(-5))}`,
    )
  }
  const witness = checkWitness(witnessesOf(input, firstIndexes), kvModel)
  if (witness.verdict === 'violation') assert.fail(`I18, by index: ${witness.reason}`)
  for (const { operation, index, request } of records) {
    if (request === null || operation.outcome !== 'ok') continue
    const first = firstIndexes.get(nameOf(request))
    assert.ok(first !== undefined, `an acknowledged write is lost: ${JSON.stringify(operation)}`)
    assert.equal(
      index,
      first,
      `I19: a request executed at ${first} was answered by ${index}: ${JSON.stringify(operation)}`,
    )
  }
}

/** At which index each request was executed: its first. */
function indexesByName({ committed, machine }: JudgeInput): Map<string, number> {
  const indexes = new Map<string, number>()
  for (const entry of committed) {
    if (entry.type !== 'normal') continue
    const name = machine.nameIn(entry.data)
    if (name !== null && !indexes.has(name)) indexes.set(name, entry.index)
  }
  return indexes
}

/** Operations of unknown outcome that the log contains have an outcome after all: the servers' own. */
function witnessesOf(
  input: JudgeInput,
  firstIndexes: ReadonlyMap<string, number>,
): Witnessed<KvInput, KvOutput>[] {
  return input.records.map(({ operation, index, request }): Witnessed<KvInput, KvOutput> => {
    if (operation.outcome === 'ok') return { operation, index: index ?? undefined }
    const first = request === null ? undefined : firstIndexes.get(nameOf(request))
    const result = first === undefined ? undefined : input.resultAt(first)?.result
    if (first === undefined || result === undefined || result === null) {
      return { operation, index: undefined }
    }
    const output = result.kind === 'entry' ? result : { ...result, index: first }
    const { process, call } = operation
    const known: Operation<KvInput, KvOutput> = {
      process,
      input: operation.input,
      call,
      outcome: 'ok',
      output,
      end: Number.POSITIVE_INFINITY,
    }
    return { operation: known, index: first }
  })
}

function nameOf(name: { readonly origin: string; readonly seq: number }): string {
  return `${name.origin}/${name.seq}`
}
