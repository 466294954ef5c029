/**
 * Parses flags the way Consul's command line does, so that existing scripts work unchanged.
 *
 * One dash or two; `-flag value` or `-flag=value`; a bool takes a value only after `=`; parsing stops at
 * the first argument that is no flag, or after `--`. Every problem is collected, none thrown.
 */

import { nearestName } from '../core/config/nearest-name.ts'
import { type Arguments, type FlagSpec, UsageError } from './command.ts'

export interface ParsedFlags {
  readonly args: Arguments
  readonly wantsHelp: boolean
  /** As written, without value. */
  readonly unknown: readonly string[]
  /** Sentences about known flags used wrongly. */
  readonly problems: readonly string[]
}

interface Given {
  readonly name: string
  readonly text: string
}

const TRUE = ['1', 't', 'true']
const FALSE = ['0', 'f', 'false']

export function parseGoFlags(argv: readonly string[], specs: readonly FlagSpec[]): ParsedFlags {
  const known = new Map(specs.map((spec) => [spec.name, spec]))
  const given: Given[] = []
  const unknown: string[] = []
  const problems: string[] = []
  let wantsHelp = false
  let at = 0
  while (at < argv.length) {
    const word = argv[at] ?? ''
    if (word === '-' || !word.startsWith('-')) break
    at++
    if (word === '--') break
    const { name, value } = splitFlag(word)
    const spec = known.get(name)
    if (spec === undefined) {
      if (name === 'h' || name === 'help') wantsHelp = true
      else unknown.push(`-${name}`)
      continue
    }
    let text = value
    if (spec.kind === 'bool') {
      const given = (value ?? 'true').toLowerCase()
      text = TRUE.includes(given) ? 'true' : 'false'
      if (text === 'false' && !FALSE.includes(given)) {
        problems.push(`-${name} takes true or false, got "${value}"`)
      }
    } else if (spec.kind === 'optional') {
      text = value ?? ''
    } else if (text === undefined) {
      text = argv[at++]
      if (text === undefined) problems.push(`-${name} needs a value: -${name} <${spec.metavar}>`)
    }
    if (text !== undefined) given.push({ name, text })
  }
  const positionals = argv.slice(at)
  const isExplicit = argv[at - 1] === '--'
  if (!isExplicit) problems.push(...misplacedFlags(positionals, known))
  return { args: new ParsedArguments(given, positionals), wantsHelp, unknown, problems }
}

/** Consul takes them for arguments in silence, which is hardly ever what was meant. */
function misplacedFlags(
  positionals: readonly string[],
  known: ReadonlyMap<string, FlagSpec>,
): readonly string[] {
  return positionals
    .filter((word) => word.startsWith('-') && known.has(splitFlag(word).name))
    .map(
      (word) =>
        `${word} stands after the arguments; flags go before them (or write -- before both)`,
    )
}

export function unknownFlagMessage(flag: string, known: readonly string[]): string {
  const near = nearestName(flag.replace(/^-+/, ''), known)
  return `unknown flag ${flag}${near === undefined ? '' : `; did you mean -${near}?`}`
}

function splitFlag(word: string): { name: string; value: string | undefined } {
  const body = word.replace(/^--?/, '')
  const equals = body.indexOf('=')
  return equals === -1
    ? { name: body, value: undefined }
    : { name: body.slice(0, equals), value: body.slice(equals + 1) }
}

class ParsedArguments implements Arguments {
  readonly positionals: readonly string[]
  readonly #given: readonly Given[]

  constructor(given: readonly Given[], positionals: readonly string[]) {
    this.#given = given
    this.positionals = positionals
  }

  has(flag: string): boolean {
    return this.#given.some(({ name }) => name === flag)
  }

  bool(flag: string): boolean {
    return this.text(flag) === 'true'
  }

  /** The last one counts, as a later flag overrides an earlier one. */
  text(flag: string): string | undefined {
    return this.list(flag).at(-1)
  }

  list(flag: string): readonly string[] {
    return this.ordered([flag])
  }

  ordered(flags: readonly string[]): readonly string[] {
    return this.#given.filter(({ name }) => flags.includes(name)).map(({ text }) => text)
  }

  map(flag: string): Readonly<Record<string, string>> {
    const pairs = this.list(flag).map((text): [string, string] => {
      const equals = text.indexOf('=')
      if (equals < 1) throw new UsageError(`-${flag} takes name=value, got "${text}"`)
      return [text.slice(0, equals), text.slice(equals + 1)]
    })
    return Object.fromEntries(pairs)
  }
}
