/**
 * Small structural checks for values that were decoded from bytes somebody else wrote. Pure.
 *
 * A shape answers undefined when the value fits, else where it does not (`.service.port: expected an
 * integer`). Unknown fields are let through: a newer version may have added them. Recursion is bounded
 * by the depth bound of json-codec.ts.
 */

export type Shape = (value: unknown) => string | undefined

type Fields = Readonly<Record<string, Shape>>

export const text: Shape = (value) => expect(typeof value === 'string', 'a text')
export const boolean: Shape = (value) => expect(typeof value === 'boolean', 'true or false')
export const bytes: Shape = (value) => expect(value instanceof Uint8Array, 'bytes')

const U64_MAX = 2n ** 64n - 1n

export const unsigned64: Shape = (value) =>
  expect(typeof value === 'bigint' && value >= 0n && value <= U64_MAX, 'a 64 bit integer')

/** A safe integer in [0, 2^53). */
export const count: Shape = (value) =>
  expect(Number.isSafeInteger(value) && (value as number) >= 0, 'an integer of at least 0')

/** Finite: JSON can say 1e999. */
export const number: Shape = (value) => expect(Number.isFinite(value), 'a number')

export const integer: Shape = (value) => expect(Number.isSafeInteger(value), 'an integer')

export function oneOf(...words: readonly string[]): Shape {
  const known = new Set<unknown>(words)
  return (value) => expect(known.has(value), `one of ${words.map((w) => `"${w}"`).join(', ')}`)
}

export function nullable(shape: Shape): Shape {
  return (value) => (value === null ? undefined : shape(value))
}

export function listOf(shape: Shape): Shape {
  return (value) => {
    if (!Array.isArray(value)) return expected('a list')
    for (let i = 0; i < value.length; i++) {
      const problem = shape(value[i])
      if (problem !== undefined) return `[${i}]${problem}`
    }
    return undefined
  }
}

export function mapOf(shape: Shape): Shape {
  return (value) => {
    if (!isObject(value)) return expected('an object')
    for (const key of Object.keys(value)) {
      const problem = shape(value[key])
      if (problem !== undefined) return `.${key.slice(0, 64)}${problem}`
    }
    return undefined
  }
}

export function object(required: Fields, optional: Fields = {}): Shape {
  const requiredFields = Object.entries(required)
  const optionalFields = Object.entries(optional)
  return (value) => {
    if (!isObject(value)) return expected('an object')
    for (const [key, shape] of requiredFields) {
      const problem = shape(own(value, key))
      if (problem !== undefined) return `.${key}${problem}`
    }
    for (const [key, shape] of optionalFields) {
      const field = own(value, key)
      if (field === undefined) continue
      const problem = shape(field)
      if (problem !== undefined) return `.${key}${problem}`
    }
    return undefined
  }
}

/** An object whose field `tag` says which of `variants` it is. */
export function variant(tag: string, variants: Fields): Shape {
  const known = new Map(Object.entries(variants))
  return (value) => {
    if (!isObject(value)) return expected('an object')
    const name = own(value, tag)
    const shape = typeof name === 'string' ? known.get(name) : undefined
    return shape === undefined ? `.${tag}${expected('a known word')}` : shape(value)
  }
}

/** Both shapes at once: an object with the fields of either. */
export function both(first: Shape, second: Shape): Shape {
  return (value) => first(value) ?? second(value)
}

/** Any of the shapes; the problem told is that of the last. */
export function either(first: Shape, second: Shape): Shape {
  return (value) => (first(value) === undefined ? undefined : second(value))
}

/** What JSON can say: no bytes, no bigint. */
export const json: Shape = (value) => {
  if (value === null) return undefined
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return undefined
    case 'object':
      break
    default:
      return expected('JSON')
  }
  return Array.isArray(value) ? jsonList(value) : jsonObject(value)
}

export const jsonObject: Shape = (value) => jsonFields(value)

const jsonList = listOf((value) => json(value))
const jsonFields = mapOf((value) => json(value))

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  )
}

/** Never looks at the prototype: `{}` has no field `constructor`. */
function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

function expect(fits: boolean, what: string): string | undefined {
  return fits ? undefined : expected(what)
}

function expected(what: string): string {
  return `: expected ${what}`
}
