/**
 * What is wrong with a configuration, said so that it can be mended without looking anything up.
 */

/** Where a value came from: `web.hcl:3:10`, `flag -http-port`. */
export type Origin = string

export interface ConfigProblem {
  /** Dotted key, or '' for a document that could not be read. */
  readonly key: string
  /** What is wrong, naming the value. */
  readonly message: string
  readonly origin: Origin
  /** What to do; '' when the message says it. */
  readonly fix: string
}

/** Several lines, the first of which stands alone. */
export function formatProblem(problem: ConfigProblem): string {
  const lines = [problem.message]
  if (problem.origin !== '') lines.push(`    at  ${problem.origin}`)
  if (problem.fix !== '') lines.push(`    fix ${problem.fix}`)
  return lines.join('\n')
}
