/**
 * Regular expressions given by users: RE2 syntax and linear time, whatever the pattern (http-api.md 7, 16).
 *
 * The one file of core that uses `re2js` (pure JavaScript, on the allow-list of core).
 * Bounds: pattern length and compiled size; the worst accepted pattern takes about 0.3 s on a text of
 * 4 KiB and grows linearly with the text.
 */

import { RE2JS } from 're2js'
import { FilterError } from './errors.ts'

const REGEX_LENGTH_MAX = 512
/** Instructions of the compiled program; a counted repeat multiplies what it repeats. */
const REGEX_PROGRAM_MAX = 5000

/**
 * @returns a test whether the pattern matches anywhere in a text
 * @throws FilterError when the pattern is invalid or too large
 */
export function compileRegex(pattern: string): (text: string) => boolean {
  const compiled = compileBounded(pattern)
  return (text) => compiled.test(text)
}

export type CompiledGroups =
  /** The texts of the first match: all of it, then its groups; none without a match. */
  | { readonly ok: true; readonly groupsOf: (text: string) => readonly string[] }
  | { readonly ok: false; readonly reason: string }

export function compileGroups(pattern: string): CompiledGroups {
  let compiled: RE2JS
  try {
    compiled = compileBounded(pattern)
  } catch (thrown) {
    if (thrown instanceof FilterError) return { ok: false, reason: thrown.message }
    throw thrown
  }
  return {
    ok: true,
    groupsOf: (text) => {
      const matcher = compiled.matcher(text)
      if (!matcher.find()) return []
      const groups: string[] = []
      for (let i = 0; i <= matcher.groupCount(); i++) groups.push(matcher.group(i) ?? '')
      return groups
    },
  }
}

function compileBounded(pattern: string): RE2JS {
  if (pattern.length > REGEX_LENGTH_MAX) {
    throw new FilterError(`regular expression is longer than ${REGEX_LENGTH_MAX} characters`)
  }
  const compiled = compile(pattern)
  if (compiled.programSize() > REGEX_PROGRAM_MAX) {
    throw new FilterError(`regular expression ${JSON.stringify(pattern)} is too large`)
  }
  return compiled
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw new FilterError(
      `Failed to compile regular expression ${JSON.stringify(pattern)}: ${reason}`,
    )
  }
}

/**
 * Matches whole texts only, as the rules of intentions and routes do.
 *
 * The pattern is compiled by itself first: `a)|(b` must not become valid by the group around it.
 *
 * @throws FilterError as `compileRegex`
 */
export function compileWholeRegex(pattern: string): (text: string) => boolean {
  compileRegex(pattern)
  return compileRegex(`\\A(?:${pattern})\\z`)
}

/** @returns why `compileWholeRegex` would refuse a pattern, or undefined */
export function regexProblem(pattern: string): string | undefined {
  try {
    compileWholeRegex(pattern)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof FilterError)) throw thrown
    return thrown.message
  }
}
