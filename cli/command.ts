/**
 * What a command of the program is: flags, a usage line and a function from arguments to an exit code.
 *
 * A command talks to the agent's HTTP API only, writes its answer to `stdout` and everything else to
 * `stderr`, and never ends the process itself.
 */

export interface FlagSpec {
  /** Without dashes. */
  readonly name: string
  /** `optional`: a value only after `=`, '' without. */
  readonly kind: 'bool' | 'value' | 'list' | 'optional'
  /** Stands for the value in help; '' for a bool. */
  readonly metavar: string
  readonly doc: string
}

/** Flags and arguments as given. */
export interface Arguments {
  readonly positionals: readonly string[]
  has(flag: string): boolean
  bool(flag: string): boolean
  text(flag: string): string | undefined
  list(flag: string): readonly string[]
  /** Values of several repeatable flags in the order given. */
  ordered(flags: readonly string[]): readonly string[]
  /** `name=value` pairs of a repeatable flag. @throws UsageError for one without `=` */
  map(flag: string): Readonly<Record<string, string>>
}

/** What a command may touch besides the API. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>
  stdout(output: string | Uint8Array): void
  stderr(text: string): void
  readStdin(): Promise<Uint8Array>
  readFile(path: string): Promise<Uint8Array>
  /** Columns of the terminal, undefined when stdout is none. */
  readonly columns: number | undefined
  /** Whether stdout is a terminal on which colour is wanted (NO_COLOR, TERM=dumb). */
  readonly colour: boolean
}

export interface CommandSpec {
  readonly summary: string
  /** Arguments after the flags, as help prints them: `KEY [DATA]`. Where it is empty, any argument is refused. */
  readonly usage: string
  readonly flags: readonly FlagSpec[]
  /** Judges unknown flags and arguments itself instead of having them refused. */
  readonly acceptsUnknownFlags?: true
  run(args: Arguments, context: CliContext, unknownFlags: readonly string[]): Promise<number>
}

/** Wrong use of a command: the message goes to stderr, the exit code is 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function flag(name: string, metavar: string, doc: string): FlagSpec {
  return { name, kind: 'value', metavar, doc }
}

export function toggle(name: string, doc: string): FlagSpec {
  return { name, kind: 'bool', metavar: '', doc }
}

export function listFlag(name: string, metavar: string, doc: string): FlagSpec {
  return { name, kind: 'list', metavar, doc }
}

export function optionalFlag(name: string, metavar: string, doc: string): FlagSpec {
  return { name, kind: 'optional', metavar, doc }
}
