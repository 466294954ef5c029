/**
 * Where a decoder is in its input, and what it has found wrong so far.
 *
 * Two wordings of the same problems: `json` is that of Go's decoder, which clients of the HTTP API compare
 * (http-api.md section 3); `config` names the whole path, as configuration files want (agent-config.md 1).
 * Bounds: `PROBLEMS_MAX` problems are kept, later ones are only counted.
 */

export type DecodeStyle = 'json' | 'config'

export interface Problem {
  /** In the spelling of the input: `services[0].check.http`; '' is the root. */
  readonly path: string
  /** Complete text, understandable without the path. */
  readonly message: string
}

/** The answer of a decoder that could not read its input; the problem has been noted in the place. */
export const INVALID: unique symbol = Symbol('invalid')
export type Invalid = typeof INVALID

export const PROBLEMS_MAX = 64

interface Run {
  readonly style: DecodeStyle
  readonly problems: Problem[]
}

export class Place {
  readonly #run: Run
  readonly #parent: Place | undefined
  readonly #key: string | number
  /** `ServiceDefinition.Port`, as Go names the field in its message; '' outside a struct. */
  readonly #goField: string

  private constructor(run: Run, parent: Place | undefined, key: string | number, goField: string) {
    this.#run = run
    this.#parent = parent
    this.#key = key
    this.#goField = goField
  }

  static root(style: DecodeStyle, path = ''): Place {
    return new Place({ style, problems: [] }, undefined, path, '')
  }

  get style(): DecodeStyle {
    return this.#run.style
  }

  get problems(): readonly Problem[] {
    return this.#run.problems
  }

  /** An element or an entry; keeps the field's name for messages, as Go does. */
  child(key: string | number): Place {
    return new Place(this.#run, this, key, this.#goField)
  }

  field(key: string, goField: string): Place {
    return new Place(this.#run, this, key, goField)
  }

  path(): string {
    if (this.#parent === undefined) return String(this.#key)
    const above = this.#parent.path()
    if (typeof this.#key === 'number') return `${above}[${this.#key}]`
    return above === '' ? this.#key : `${above}.${this.#key}`
  }

  problem(message: string): Invalid {
    if (this.#run.problems.length < PROBLEMS_MAX) {
      this.#run.problems.push({ path: this.path(), message })
    }
    return INVALID
  }

  /** Notes that `input` is not of the wanted type. */
  mismatch(input: unknown, type: string): Invalid {
    if (this.style === 'config') {
      return this.problem(`${this.path() || 'value'}: expected ${type}, got ${describe(input)}`)
    }
    const target =
      this.#goField === ''
        ? `Go value of type ${type}`
        : `Go struct field ${this.#goField} of type ${type}`
    return this.problem(`json: cannot unmarshal ${jsonKind(input)} into ${target}`)
  }

  unknownField(key: string): Invalid {
    if (this.style === 'config') {
      return this.problem(`invalid config key ${this.field(key, '').path()}`)
    }
    return this.problem(`json: unknown field "${key}"${enterpriseNote(key)}`)
  }
}

function enterpriseNote(key: string): string {
  if (key === 'Namespace') return ' - Namespaces are a Consul Enterprise feature'
  if (key === 'Partition') return ' - Partitions are a Consul Enterprise feature'
  return ''
}

function jsonKind(input: unknown): string {
  if (input === null) return 'null'
  if (Array.isArray(input)) return 'array'
  switch (typeof input) {
    case 'boolean':
      return 'bool'
    case 'number':
      return Number.isInteger(input) ? 'number' : `number ${input}`
    case 'bigint':
      return `number ${input}`
    case 'string':
      return 'string'
    default:
      return 'object'
  }
}

/** Longest piece of a user's value that a message repeats. */
const VALUE_SHOWN_MAX = 64

function describe(input: unknown): string {
  if (input === null) return 'null'
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'object') return 'an object'
  const text = typeof input === 'string' ? JSON.stringify(input) : String(input)
  return text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}…` : text
}
