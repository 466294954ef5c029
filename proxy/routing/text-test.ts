/**
 * How a text is compared with what a configuration says; compiled once. A regular expression that does not compile, from
 * another version, matches nothing.
 */

import { compileWholeRegex, regexProblem } from '../../core/filter/regex.ts'
import type { TextMatch } from '../../core/mesh/proxy-snapshot.ts'

export type TextTest = (text: string) => boolean

export function textTest({ kind, value }: TextMatch): TextTest {
  switch (kind) {
    case 'present':
      return () => true
    case 'exact':
      return (text) => text === value
    case 'prefix':
      return (text) => text.startsWith(value)
    case 'suffix':
      return (text) => text.endsWith(value)
    case 'regex':
      return regexTest(value)
  }
}

export function regexTest(pattern: string): TextTest {
  return regexProblem(pattern) === undefined ? compileWholeRegex(pattern) : () => false
}
