/**
 * Damages a request of which the form is known: a value of its JSON, its text, its query or its path.
 *
 * Deterministic by the generator passed in. Bounds: one to four damages; a body of at most a few hundred kilobytes.
 */

import type { Json } from '../../../core/catalog/types.ts'
import type { Rng } from '../../../core/rng.ts'
import { mutate } from '../mutate.ts'
import type { Specimen } from './corpus.ts'

export interface DamagedRequest {
  readonly method: string
  readonly path: string
  readonly body: string | Uint8Array
}

const NEST_DEPTH = 5_000
const LONG_TEXT = 70_000

/** What stands where something else was expected. */
const ODD_VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  65_536,
  2 ** 53,
  1e308,
  '',
  ' ',
  '0',
  '-5s',
  '1h',
  '9223372036854775808ns',
  'default',
  'deny',
  'passing',
  'set',
  'delete-tree',
  'web',
  '*',
  '../..',
  'a/b',
  'ä€😀',
  '\u0000',
  '\ud800',
  '__proto__',
  '0.0.0.0',
  'x'.repeat(600),
  'x'.repeat(LONG_TEXT),
  [],
  {},
  [null],
  [[]],
  { '': '' },
  { ['__proto__']: { polluted: true } },
]

const ODD_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'Namespace',
  'Partition',
  'Odd',
  '',
  'name',
  'x'.repeat(600),
]

const ODD_PARAMETERS = [
  'cas=-1',
  'cas=x',
  'cas=18446744073709551615',
  'dc=nowhere',
  'dc=',
  'ns=other',
  'partition=p',
  'flags=-1',
  'flags=99999999999999999999',
  'acquire=nobody',
  'release=nobody',
  'acquire=',
  'recurse',
  'enable=maybe',
  'source=',
  'destination=*',
  'replace-existing-checks=perhaps',
  'consistent&stale',
  'token=x',
  'pretty',
  'peer=p',
  'filter=(',
]

const ODD_SUFFIXES = [
  '',
  '/',
  '%2F',
  '%00',
  '%ff',
  '..',
  '%C3%A4',
  'x'.repeat(3_000),
  '%',
  'a/b/c',
  '*',
]

export function damage(specimen: Specimen, others: readonly Specimen[], rng: Rng): DamagedRequest {
  const times = rng.pick([1, 1, 1, 2, 4]) as number
  const { method } = specimen
  let { path, body = '' } = specimen
  let text: string | Uint8Array | undefined
  for (let i = 0; i < times; i++) {
    const dice = rng.float()
    if (dice < 0.6 && typeof body === 'object' && body !== null) {
      body = damageJson(body, rng, others)
    } else if (dice < 0.75) {
      text = damageText(body, rng, others)
    } else if (dice < 0.9) {
      path = `${path}${path.includes('?') ? '&' : '?'}${rng.pick(ODD_PARAMETERS)}`
    } else {
      path = damagePath(path, rng)
    }
  }
  return { method, path, body: text ?? textOf(body) }
}

export function textOf(body: Json): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}

/** A copy in which one value, name or place differs. */
function damageJson(value: Json, rng: Rng, others: readonly Specimen[]): Json {
  if (Array.isArray(value) && value.length > 0 && rng.float() < 0.9) {
    const at = rng.range(0, value.length)
    return value.map((item, i) => (i === at ? damageJson(item, rng, others) : item))
  }
  if (isObject(value) && rng.float() < 0.9) {
    const names = Object.keys(value)
    const name = rng.pick(names)
    if (name !== undefined) return damageField(value, name, rng, others)
  }
  if (rng.float() < 0.1) return rng.pick(others)?.body ?? null
  return rng.pick(ODD_VALUES) ?? null
}

function damageField(
  value: { readonly [name: string]: Json },
  name: string,
  rng: Rng,
  others: readonly Specimen[],
): Json {
  const { [name]: old = null, ...rest } = value
  switch (rng.range(0, 8)) {
    case 0:
      return rest
    case 1:
      return { ...rest, [name.toLowerCase()]: old }
    case 2:
      // Not by a literal: `__proto__` shall be a field.
      return Object.fromEntries([...Object.entries(value), [rng.pick(ODD_NAMES) ?? '', old]])
    case 3:
      return { ...rest, [name]: [old] }
    default:
      return { ...rest, [name]: damageJson(old, rng, others) }
  }
}

function damageText(body: Json, rng: Rng, others: readonly Specimen[]): string | Uint8Array {
  const bytes = new TextEncoder().encode(textOf(body))
  const other = new TextEncoder().encode(textOf(rng.pick(others)?.body ?? ''))
  switch (rng.range(0, 8)) {
    case 0:
      return ''
    case 1:
      return `${'['.repeat(NEST_DEPTH)}${']'.repeat(NEST_DEPTH)}`
    case 2:
      return `${'{"a":'.repeat(NEST_DEPTH)}1${'}'.repeat(NEST_DEPTH)}`
    case 3:
      return textOf(rng.pick(ODD_VALUES) ?? null)
    case 4:
      return `${textOf(body)}${textOf(body)}`
    default:
      return mutate(bytes, other, rng)
  }
}

function damagePath(path: string, rng: Rng): string {
  const [base = '', query] = path.split('?')
  const parent = base.slice(0, base.lastIndexOf('/') + 1)
  const odd = `${rng.float() < 0.5 ? base : parent}${rng.pick(ODD_SUFFIXES) ?? ''}`
  return query === undefined ? odd : `${odd}?${query}`
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
