/**
 * Splitters that lead to splitters become one (mesh.md 9.4.2, 9.5), and loops are found first (9.4.1).
 *
 * Guarantees: after `flattenSplitters` no leg leads to a splitter; weights are in steps of 0.01 and may miss
 * 100 by what rounding lost, so whoever draws by them uses their sum. Bounds: LEGS_MAX.
 */

import type { JsonObject } from '../catalog/types.ts'
import { listAt, objectAt } from '../config-entries/read-field.ts'
import type { ChainNode, ChainProblem, ChainSplit } from './types.ts'

/** Splitters of splitters multiply: legs of one flattened splitter at most. */
export const LEGS_MAX = 1000

/** @returns the loop in words, or undefined */
export function circularReference(
  nodes: ReadonlyMap<string, ChainNode>,
  startNode: string,
): ChainProblem | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const onPath = new Set<string>()
  /** One frame a node on the path: what is still to be visited below it. */
  const stack: { readonly key: string; readonly next: readonly string[]; at: number }[] = []
  const enter = (key: string): void => {
    path.push(key)
    onPath.add(key)
    stack.push({ key, next: nextOf(nodes.get(key)), at: 0 })
  }
  enter(startNode)
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const key = frame.next[frame.at]
    frame.at += 1
    if (key === undefined) {
      stack.pop()
      path.pop()
      onPath.delete(frame.key)
      done.add(frame.key)
      continue
    }
    if (onPath.has(key)) {
      const loop = [...path.slice(path.indexOf(key)), key]
      return { problem: `detected circular reference: [${loop.join(' -> ')}]` }
    }
    if (!done.has(key)) enter(key)
  }
  return undefined
}

export function nextOf(node: ChainNode | undefined): readonly string[] {
  if (node?.type === 'router') {
    return node.routes.flatMap(({ nextNode, mirrors = [] }) => [
      nextNode,
      ...mirrors.map((mirror) => mirror.nextNode),
    ])
  }
  if (node?.type === 'splitter') return node.splits.map((split) => split.nextNode)
  return []
}

/** The graph must be free of loops. */
export function flattenSplitters(nodes: Map<string, ChainNode>): ChainProblem | undefined {
  const flat = new Set<string>()
  for (const start of [...nodes.keys()]) {
    // Post-order without recursion: a splitter is left on the stack until those below it are flat.
    const stack = [start]
    for (let key = stack.at(-1); key !== undefined; key = stack.at(-1)) {
      const node = nodes.get(key)
      if (node?.type !== 'splitter' || flat.has(key)) {
        stack.pop()
        continue
      }
      const below = node.splits.map((split) => split.nextNode)
      const waiting = below.filter((k) => nodes.get(k)?.type === 'splitter' && !flat.has(k))
      if (waiting.length > 0) {
        stack.push(...waiting)
        continue
      }
      const splits = node.splits.flatMap((split) => flattenedLeg(split, nodes))
      if (splits.length > LEGS_MAX) {
        return {
          problem: `${key} has more than ${LEGS_MAX} destinations once splitters are joined`,
        }
      }
      nodes.set(key, { ...node, splits })
      flat.add(key)
      stack.pop()
    }
  }
  return undefined
}

function flattenedLeg(outer: ChainSplit, nodes: ReadonlyMap<string, ChainNode>): ChainSplit[] {
  const below = nodes.get(outer.nextNode)
  if (below?.type !== 'splitter') return [outer]
  return below.splits.map((inner) => ({
    definition: mergedDefinition(outer.definition, inner.definition),
    weight: roundedWeight((outer.weight * inner.weight) / 100),
    nextNode: inner.nextNode,
  }))
}

export function roundedWeight(weight: number): number {
  return Math.round(weight * 100) / 100
}

/** The inner leg's words with the headers of both: for requests the inner leg wins, for responses the outer. */
function mergedDefinition(outer: JsonObject, inner: JsonObject): JsonObject {
  const request = mergedHeaders(outer, inner, 'RequestHeaders')
  const response = mergedHeaders(inner, outer, 'ResponseHeaders')
  return {
    ...inner,
    ...(request === undefined ? {} : { RequestHeaders: request }),
    ...(response === undefined ? {} : { ResponseHeaders: response }),
  }
}

function mergedHeaders(base: JsonObject, over: JsonObject, key: string): JsonObject | undefined {
  const lower = objectAt(base, key)
  const upper = objectAt(over, key)
  if (lower === undefined || upper === undefined) return upper ?? lower
  const merged: Record<string, JsonObject | JsonObject[string]> = {}
  for (const kind of ['Add', 'Set']) {
    const both = { ...objectAt(lower, kind), ...objectAt(upper, kind) }
    if (Object.keys(both).length > 0) merged[kind] = both
  }
  const removed = [...new Set([...listAt(lower, 'Remove'), ...listAt(upper, 'Remove')])]
  if (removed.length > 0) merged['Remove'] = removed
  return merged
}
