/**
 * Synthetic networks of the acceptance vectors, and nodes that find their places in them (gossip.md 12).
 */

import { type Coordinate, distance } from '../../../../core/coordinates/coordinate.ts'
import { LatencyFilter } from '../../../../core/coordinates/latency-filter.ts'
import { Vivaldi } from '../../../../core/coordinates/vivaldi.ts'
import { type Rng, seededRng } from '../../../../core/rng.ts'

/** Round trips in seconds; `truth[i][j] === truth[j][i]`. */
export type Truth = readonly (readonly number[])[]

export function truthOf(nodes: number, rtt: (i: number, j: number) => number): Truth {
  const truth = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(0))
  for (let i = 0; i < nodes; i++) {
    for (let j = i + 1; j < nodes; j++) {
      const value = rtt(i, j)
      const [a, b] = [truth[i], truth[j]]
      if (a === undefined || b === undefined) throw new RangeError('within the network')
      a[j] = value
      b[i] = value
    }
  }
  return truth
}

export function line(nodes: number, spacing: number): Truth {
  return truthOf(nodes, (i, j) => (j - i) * spacing)
}

export function grid(side: number, spacing: number): Truth {
  const at = (i: number): [number, number] => [i % side, Math.floor(i / side)]
  return truthOf(side * side, (i, j) => {
    const [[x1, y1], [x2, y2]] = [at(i), at(j)]
    return Math.hypot(x1 - x2, y1 - y2) * spacing
  })
}

/** Two sites: `lan` within, `wan` more between. */
export function split(nodes: number, lan: number, wan: number): Truth {
  const isFirst = (i: number): boolean => i < nodes / 2
  return truthOf(nodes, (i, j) => (isFirst(i) === isFirst(j) ? lan : lan + wan))
}

/** Node 0 in the centre, behind a slow line of its own; the others around it. */
export function circle(nodes: number, radius: number): Truth {
  const angle = (i: number): number => (2 * Math.PI * i) / nodes
  return truthOf(nodes, (i, j) => {
    if (i === 0) return 2 * radius
    const x = Math.cos(angle(i)) - Math.cos(angle(j))
    const y = Math.sin(angle(i)) - Math.sin(angle(j))
    return Math.hypot(x, y) * radius
  })
}

export function random(nodes: number, mean: number, deviation: number, rng: Rng): Truth {
  return truthOf(nodes, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float())
    return mean + deviation * normal
  })
}

/** @returns the places after so many rounds in which each node measures one other */
export function settle(
  truth: Truth,
  { cycles, dimensions, seed = 1 }: { cycles: number; dimensions?: number; seed?: number },
): readonly Coordinate[] {
  const rng = seededRng(seed)
  const nodes = truth.map((row, i) => ({
    row,
    vivaldi: new Vivaldi(rng.fork(`node ${i}`), dimensions),
    filters: truth.map(() => new LatencyFilter()),
  }))
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const [i, node] of nodes.entries()) {
      const j = rng.range(0, nodes.length)
      const other = nodes[j]
      const rtt = node.filters[j]?.add(node.row[j] ?? 0)
      if (j !== i && other !== undefined && rtt !== undefined) {
        node.vivaldi.observe(other.vivaldi.coordinate, rtt)
      }
    }
  }
  return nodes.map(({ vivaldi }) => vivaldi.coordinate)
}

/** Of the estimates, relative to the truth. */
export function errorsOf(
  coordinates: readonly Coordinate[],
  truth: Truth,
): { readonly average: number; readonly worst: number } {
  let sum = 0
  let count = 0
  let worst = 0
  for (const [i, a] of coordinates.entries()) {
    for (const [j, b] of coordinates.entries()) {
      if (j <= i) continue
      const actual = truth[i]?.[j] ?? 0
      const error = Math.abs(distance(a, b) - actual) / actual
      sum += error
      count++
      worst = Math.max(worst, error)
    }
  }
  return { average: sum / count, worst }
}
