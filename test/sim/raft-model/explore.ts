/**
 * Breadth-first search over everything that can happen to a model, up to a bound (verification, section 17.1).
 *
 * A state is the list of actions that leads to it and is made anew by replaying them, as cores cannot be
 * copied. States with one fingerprint are visited once: 64 bits of it are kept, so that of a million states
 * less than one in ten million runs would miss one. Invariants look at the whole path, not at the state alone:
 * of two paths to one state only the first one's history is followed.
 */

import { createHash } from 'node:crypto'
import { type Action, type ModelOptions, ModelWorld } from './model-world.ts'

export interface Exploration {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** False when the bound ended it. */
  readonly isComplete: boolean
}

export class Violation extends Error {
  readonly path: readonly Action[]

  constructor(cause: Error, path: readonly Action[]) {
    super(`${cause.message}\n${path.map((action) => JSON.stringify(action)).join('\n')}`, { cause })
    this.path = path
  }
}

/** @throws Violation with the shortest path to a broken invariant */
export function explore(options: ModelOptions, bound: { readonly states: number }): Exploration {
  const visited = new Set([hash(new ModelWorld(options).fingerprint())])
  let frontier: (readonly Action[])[] = [[]]
  let transitions = 0
  let depth = 0
  while (frontier.length > 0) {
    const next: (readonly Action[])[] = []
    for (const path of frontier) {
      for (const action of replay(options, path).actions()) {
        const longer = [...path, action]
        const key = hash(replay(options, longer).fingerprint())
        transitions++
        if (visited.has(key)) continue
        visited.add(key)
        next.push(longer)
        if (visited.size >= bound.states) {
          return { states: visited.size, transitions, depth: depth + 1, isComplete: false }
        }
      }
    }
    frontier = next
    if (next.length > 0) depth++
  }
  return { states: visited.size, transitions, depth, isComplete: true }
}

function replay(options: ModelOptions, path: readonly Action[]): ModelWorld {
  const world = new ModelWorld(options)
  try {
    for (const action of path) world.perform(action)
  } catch (thrown) {
    throw thrown instanceof Error ? new Violation(thrown, path) : thrown
  }
  return world
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64').slice(0, 11)
}
