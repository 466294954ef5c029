/**
 * What a benchmark reports, and how it is printed: a table a person reads, or JSON.
 */

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** Something to compare with; the ratio printed is value / mark, so below 1 is better than it. */
  readonly mark?: { readonly name: string; readonly value: number }
  /** Half the distance between the extremes of the runs, in `unit`, where several were made. */
  readonly spread?: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}`)
  const width = Math.max(...figures.map((figure) => figure.name.length))
  for (const figure of figures) {
    const value = figure.value.toFixed(figure.value < 100 ? 1 : 0).padStart(8)
    const spread = figure.spread === undefined ? '' : ` ±${figure.spread.toFixed(1)}`
    const mark =
      figure.mark === undefined
        ? ''
        : `   ${(figure.value / figure.mark.value).toFixed(2)} × ${figure.mark.name} (${figure.mark.value.toFixed(1)})`
    console.log(`  ${figure.name.padEnd(width)} ${value} ${figure.unit}${spread}${mark}`)
  }
}
