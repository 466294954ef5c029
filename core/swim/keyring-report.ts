/**
 * What all members of a pool said about their keyrings, counted (gossip.md 10, http-api.md 20). Pure.
 *
 * Decides what a change needs before any member is told to make it, so that a rotation cannot cut members off: a
 * key is used only where all have it, and removed only where it is nobody's primary.
 */

import type { KeyringAnswer, KeyringRequest } from './keyring-codec.ts'

export interface KeyringReport {
  /** Members that were asked. */
  readonly nodes: number
  /** By key in base64: how many have it. */
  readonly keys: ReadonlyMap<string, number>
  /** By key in base64: how many seal with it. */
  readonly primaryKeys: ReadonlyMap<string, number>
  /** By member: why it did not do what was asked. */
  readonly failures: ReadonlyMap<string, string>
  /** Nothing was changed anywhere. */
  readonly isUntouched: boolean
}

export type MemberAnswers = ReadonlyMap<string, KeyringAnswer>

export function reportOf(answers: MemberAnswers, isUntouched = false): KeyringReport {
  const keys = new Map<string, number>()
  const primaryKeys = new Map<string, number>()
  const failures = new Map<string, string>()
  for (const [name, answer] of answers) {
    if (answer.kind === 'failed') {
      failures.set(name, answer.reason)
      continue
    }
    for (const [i, { text }] of answer.keys.entries()) {
      keys.set(text, (keys.get(text) ?? 0) + 1)
      if (i === 0) primaryKeys.set(text, (primaryKeys.get(text) ?? 0) + 1)
    }
  }
  return { nodes: answers.size, keys, primaryKeys, failures, isUntouched }
}

/** @returns by member, why a change must not be made anywhere; empty when it may be */
export function objectionsTo(
  request: KeyringRequest,
  listed: MemberAnswers,
): ReadonlyMap<string, string> {
  const objections = new Map<string, string>()
  if (request.kind !== 'use' && request.kind !== 'remove') return objections
  for (const [name, answer] of listed) {
    if (answer.kind === 'failed') {
      objections.set(name, answer.reason)
    } else if (request.kind === 'use') {
      const hasKey = answer.keys.some((key) => key.equals(request.key))
      if (!hasKey) objections.set(name, 'it does not have the key: install it first')
    } else if (answer.keys[0]?.equals(request.key) === true) {
      objections.set(name, 'it is the primary key: use another one first')
    }
  }
  return objections
}
