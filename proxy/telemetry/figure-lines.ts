/**
 * Gathers series by metric, and writes each metric's lines together, as Prometheus' format wants them.
 */

import type { DurationHistogram } from '../../core/metrics/duration-histogram.ts'
import { headLines, labelText, numberText } from '../../core/metrics/exposition.ts'
import type { Labels } from '../../core/metrics/registry.ts'
import { PROXY_FIGURES, type ProxyFigure } from './figures.ts'

/** Milliseconds; mesh.md 11.1. */
const BOUNDS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
  1_800_000, 3_600_000,
]

export class FigureLines {
  readonly #byName = new Map<ProxyFigure, string[]>()

  set(name: ProxyFigure, labels: Labels, value: number): void {
    this.#linesOf(name).push(`${name}${labelText(labels)} ${numberText(value)}`)
  }

  histogram(name: ProxyFigure, labels: Labels, durations: DurationHistogram): void {
    if (durations.count === 0) return
    const lines = this.#linesOf(name)
    for (const [i, count] of durations.cumulative(BOUNDS).entries()) {
      lines.push(`${name}_bucket${labelText([...labels, ['le', String(BOUNDS[i])]])} ${count}`)
    }
    lines.push(`${name}_bucket${labelText([...labels, ['le', '+Inf']])} ${durations.count}`)
    lines.push(`${name}_sum${labelText(labels)} ${numberText(durations.sum)}`)
    lines.push(`${name}_count${labelText(labels)} ${durations.count}`)
  }

  text(): string {
    const names = [...this.#byName.keys()].sort()
    return names.map((name) => `${this.#byName.get(name)?.join('\n')}\n`).join('')
  }

  #linesOf(name: ProxyFigure): string[] {
    let lines = this.#byName.get(name)
    if (lines === undefined) {
      const [kind, help] = PROXY_FIGURES[name]
      lines = headLines(name, kind, help)
      this.#byName.set(name, lines)
    }
    return lines
  }
}
