/**
 * Changing a configuration: a pure function from one configuration and a change to the next (10.4).
 *
 * A simple change alters the set of voters by at most one. Entering the joint phase copies the voters into
 * the old half and applies any number of steps to the new one; a voter that is demoted or removed there
 * stays in the old half until the phase is left. Steps are idempotent; on absent ids they do nothing, except
 * that `voter` and `learner` add. The result always obeys configurationFault.
 */

import {
  type Configuration,
  type ConfigurationChange,
  compareIds,
  configurationFault,
  type MemberChange,
} from './configuration.ts'
import type { ServerId } from './types.ts'

export type ChangeResult =
  | { readonly kind: 'changed'; readonly configuration: Configuration }
  /** `detail` names the broken rule. */
  | { readonly kind: 'refused'; readonly detail: string }

export function changeConfiguration(
  from: Configuration,
  change: ConfigurationChange,
): ChangeResult {
  switch (change.kind) {
    case 'simple':
      return simpleChange(from, [change.change])
    case 'enter-joint':
      return enterJoint(from, change.changes, change.autoLeave)
    case 'leave-joint':
      return leaveJoint(from)
  }
}

export function simpleChange(from: Configuration, steps: readonly MemberChange[]): ChangeResult {
  if (isJoint(from)) return refused('a simple change has to wait until the joint phase is left')
  const draft = new Draft(from)
  for (const step of steps) draft.apply(step)
  const next = draft.finish(false)
  const altered = symmetricDifference(from.incoming, next.incoming)
  if (altered > 1) return refused(`a simple change alters one voter at most, this one ${altered}`)
  return checked(next)
}

export function enterJoint(
  from: Configuration,
  steps: readonly MemberChange[],
  autoLeave: boolean,
): ChangeResult {
  if (isJoint(from)) return refused('the configuration is joint already')
  if (from.incoming.length === 0) return refused('a joint phase begins with voters')
  const draft = new Draft({ ...from, outgoing: from.incoming })
  for (const step of steps) draft.apply(step)
  return checked(draft.finish(autoLeave))
}

export function leaveJoint(from: Configuration): ChangeResult {
  if (!isJoint(from)) return refused('the configuration is not joint')
  const draft = new Draft({
    ...from,
    outgoing: [],
    learners: [...from.learners, ...from.learnersNext],
    learnersNext: [],
  })
  return checked(draft.finish(false))
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0
}

/** Voters of `before` that are none in `after`, in the order of ids. */
export function votersLost(before: Configuration, after: Configuration): readonly ServerId[] {
  const kept = new Set(after.incoming)
  return before.incoming.filter((id) => !kept.has(id))
}

class Draft {
  readonly #incoming: Set<ServerId>
  readonly #outgoing: ReadonlySet<ServerId>
  readonly #learners: Set<ServerId>
  readonly #learnersNext: Set<ServerId>
  readonly #addresses: Map<ServerId, string>

  constructor(from: Configuration) {
    this.#incoming = new Set(from.incoming)
    this.#outgoing = new Set(from.outgoing)
    this.#learners = new Set(from.learners)
    this.#learnersNext = new Set(from.learnersNext)
    this.#addresses = new Map(from.addresses.map((member) => [member.id, member.address]))
  }

  apply(step: MemberChange): void {
    const { id } = step
    switch (step.kind) {
      case 'voter':
        this.#drop(id)
        this.#incoming.add(id)
        this.#addresses.set(id, step.address)
        return
      case 'learner':
        this.#drop(id)
        if (this.#outgoing.has(id)) this.#learnersNext.add(id)
        else this.#learners.add(id)
        this.#addresses.set(id, step.address)
        return
      case 'remove':
        this.#drop(id)
        return
      case 'address':
        if (this.#addresses.has(id)) this.#addresses.set(id, step.address)
        return
    }
  }

  finish(autoLeave: boolean): Configuration {
    const members = [
      ...new Set([...this.#incoming, ...this.#outgoing, ...this.#learners, ...this.#learnersNext]),
    ]
    return {
      incoming: sorted(this.#incoming),
      outgoing: sorted(this.#outgoing),
      learners: sorted(this.#learners),
      learnersNext: sorted(this.#learnersNext),
      autoLeave,
      addresses: members
        .sort(compareIds)
        .map((id) => ({ id, address: this.#addresses.get(id) ?? '' })),
    }
  }

  #drop(id: ServerId): void {
    this.#incoming.delete(id)
    this.#learners.delete(id)
    this.#learnersNext.delete(id)
  }
}

function checked(configuration: Configuration): ChangeResult {
  const fault = configurationFault(configuration)
  return fault === null ? { kind: 'changed', configuration } : refused(fault)
}

function refused(detail: string): ChangeResult {
  return { kind: 'refused', detail }
}

function symmetricDifference(before: readonly ServerId[], after: readonly ServerId[]): number {
  const old = new Set(before)
  const common = after.filter((id) => old.has(id)).length
  return before.length + after.length - 2 * common
}

function sorted(ids: ReadonlySet<ServerId>): readonly ServerId[] {
  return [...ids].sort(compareIds)
}
