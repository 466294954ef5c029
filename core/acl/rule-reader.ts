/**
 * Rules as operators write them, HCL or JSON, into rules (http-api.md 24.3). Pure.
 *
 * Guarantees: what is not a rule is refused with its place, its name and what would be right; nothing is
 * passed over but what belongs to Consul Enterprise alone (`sentinel`). Bound: RULES_LENGTH_MAX characters.
 */

import { parseHcl } from '../config/hcl-parser.ts'
import { parseJson } from '../config/json-reader.ts'
import { nearestName } from '../config/nearest-name.ts'
import {
  type SourceEntry,
  type SourceObject,
  type SourceValue,
  SyntaxProblem,
} from '../config/source-value.ts'
import { FairleadError } from '../errors.ts'
import {
  type Level,
  NAMED_RESOURCES,
  type NamedResource,
  PLAIN_RESOURCES,
  type PlainResource,
  type Rule,
} from './rule.ts'

export const RULES_LENGTH_MAX = 512 * 1024

const ENTERPRISE = ['namespace', 'namespace_prefix', 'partition', 'partition_prefix']
const PREFIX = '_prefix'
const LEVELS: Readonly<Record<string, Level>> = { deny: 'deny', read: 'read', write: 'write' }
const KEY_LEVELS: Readonly<Record<string, Level>> = { ...LEVELS, list: 'list' }

const KNOWN: ReadonlySet<string> = new Set([
  ...PLAIN_RESOURCES,
  ...NAMED_RESOURCES.flatMap((name) => [name, name + PREFIX]),
])

/** @throws FairleadError REJECTED */
export function readRules(text: string): readonly Rule[] {
  if (text.length > RULES_LENGTH_MAX) {
    throw failed(
      `the rules have ${text.length} characters, at most ${RULES_LENGTH_MAX} are allowed`,
    )
  }
  try {
    const trimmed = text.trim()
    if (trimmed === '') return []
    const document = trimmed.startsWith('{') ? parseJson(text) : parseHcl(text)
    return document.entries.flatMap(rulesOfEntry)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxProblem)) throw thrown
    const { line, column } = thrown.at
    throw failed(`${thrown.message} (line ${line}, column ${column})`, thrown)
  }
}

function rulesOfEntry({ key, at, value }: SourceEntry): readonly Rule[] {
  if (key === 'sentinel') return []
  if (isPlain(key)) return [{ resource: key, policy: levelOf(key, value, LEVELS) }]
  if (ENTERPRISE.includes(key)) {
    throw new SyntaxProblem(`"${key}" is a feature of Consul Enterprise`, at)
  }
  const named = namedOf(key)
  if (named === undefined) throw unknown(key, at)
  return blocksOf(value, key).flatMap((block) =>
    block.entries.map((entry) => namedRule(named, key, entry)),
  )
}

function namedOf(
  key: string,
): { readonly resource: NamedResource; readonly match: 'exact' | 'prefix' } | undefined {
  const isPrefix = key.endsWith(PREFIX)
  const resource = isPrefix ? key.slice(0, -PREFIX.length) : key
  const found = NAMED_RESOURCES.find((name) => name === resource)
  if (found === undefined) return undefined
  return { resource: found, match: isPrefix ? 'prefix' : 'exact' }
}

function namedRule(
  { resource, match }: { readonly resource: NamedResource; readonly match: 'exact' | 'prefix' },
  key: string,
  { key: name, at, value }: SourceEntry,
): Rule {
  const where = `${key} ${JSON.stringify(name)}`
  let policy: Level | '' = ''
  let intentions: Level | undefined
  for (const block of blocksOf(value, where)) {
    for (const field of block.entries) {
      if (field.key === 'policy') {
        policy = levelOf(`${where}: policy`, field.value, resource === 'key' ? KEY_LEVELS : LEVELS)
      } else if (field.key === 'intentions' && resource === 'service') {
        intentions = levelOf(`${where}: intentions`, field.value, LEVELS)
      } else if (field.key !== 'sentinel') {
        const known = resource === 'service' ? '"policy" or "intentions"' : '"policy"'
        throw new SyntaxProblem(
          `${where}: "${field.key}" is not known here; write ${known}`,
          field.at,
        )
      }
    }
  }
  if (policy === '' && intentions === undefined) {
    throw new SyntaxProblem(`${where} has no policy; write policy = "read"`, at)
  }
  return { resource, match, name, policy, ...(intentions === undefined ? {} : { intentions }) }
}

/** JSON may hold a block in a list of one. */
function blocksOf(value: SourceValue, where: string): readonly SourceObject[] {
  if (value.kind === 'object') return [value]
  if (value.kind === 'list') return value.items.flatMap((item) => blocksOf(item, where))
  throw new SyntaxProblem(`${where} is a block: ${where} { … }`, value.at)
}

function levelOf(
  where: string,
  value: SourceValue,
  levels: Readonly<Record<string, Level>>,
): Level {
  const level =
    value.kind === 'string' && Object.hasOwn(levels, value.value) ? levels[value.value] : undefined
  if (level !== undefined) return level
  const words = Object.keys(levels)
    .map((word) => `"${word}"`)
    .join(', ')
  throw new SyntaxProblem(`${where}: Invalid policy, expected one of ${words}`, value.at)
}

function unknown(key: string, at: SourceEntry['at']): SyntaxProblem {
  const near = nearestName(key, KNOWN)
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return new SyntaxProblem(`"${key}" is not a resource of access control${hint}`, at)
}

function isPlain(key: string): key is PlainResource {
  return PLAIN_RESOURCES.some((name) => name === key)
}

function failed(reason: string, cause?: unknown): FairleadError {
  return new FairleadError('REJECTED', `Failed to parse ACL rules: ${reason}`, { cause })
}
