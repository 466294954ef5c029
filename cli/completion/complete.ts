/**
 * What may follow on a command line: commands, flags, values of flags, and names that the agent knows.
 *
 * The shell asks by COMP_LINE, as it does of Consul. Guarantees: a name that cannot be had in time is not offered, and
 * nothing is printed but what may follow. Bounds: ANSWERS_MAX answers, the agent is waited for LIVE_MAX_MS.
 */

import { CONFIG_KINDS } from '../../core/config-entries/kind-fields.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'
import { ApiClient } from '../api-client.ts'
import type { Arguments, CliContext, CommandSpec, FlagSpec } from '../command.ts'
import type { CommandTree } from '../command-node.ts'
import { COMMANDS } from '../command-tree.ts'
import { parseGoFlags } from '../go-flags.ts'
import { kvPath } from '../kv-path.ts'

const LIVE_MAX_MS = 400
const ANSWERS_MAX = 500

/** The word at the cursor, and those before it without the program's name. */
export interface CompletionLine {
  readonly before: readonly string[]
  readonly current: string
}

export function splitLine(line: string): CompletionLine {
  const words = line.split(/\s+/).filter((word, i, all) => word !== '' || i === all.length - 1)
  return { before: words.slice(1, -1), current: words.length > 1 ? (words.at(-1) ?? '') : '' }
}

/** @returns whole words, `-flag=value` included, that begin with the current one */
export async function complete(
  { before, current }: CompletionLine,
  context: CliContext,
): Promise<readonly string[]> {
  const found = await find(before)
  if (found === undefined) return []
  const offers =
    found.kind === 'tree' ? visibleNames(found.tree) : await offersOf(found, current, context)
  return offers.filter((offer) => offer.startsWith(current)).slice(0, ANSWERS_MAX)
}

type Place =
  | { readonly kind: 'tree'; readonly tree: CommandTree }
  | {
      readonly kind: 'command'
      readonly path: readonly string[]
      readonly spec: CommandSpec
      readonly words: readonly string[]
    }

async function find(words: readonly string[]): Promise<Place | undefined> {
  let tree = COMMANDS
  for (const [index, word] of words.entries()) {
    const node = Object.hasOwn(tree, word) ? tree[word] : undefined
    if (node === undefined || node.kind === 'unsupported') return undefined
    if (node.kind === 'command') {
      const path = words.slice(0, index + 1)
      return { kind: 'command', path, spec: await node.load(), words: words.slice(index + 1) }
    }
    tree = node.children
  }
  return { kind: 'tree', tree }
}

function visibleNames(tree: CommandTree): readonly string[] {
  return Object.entries(tree).flatMap(([name, node]) => {
    const isHidden = node.kind === 'unsupported' || (node.kind === 'command' && node.hidden)
    return isHidden ? [] : [name]
  })
}

async function offersOf(
  { path, spec, words }: Extract<Place, { kind: 'command' }>,
  current: string,
  context: CliContext,
): Promise<readonly string[]> {
  const names = new Names(parseGoFlags(words, spec.flags).args, context)
  const open = flagNamed(spec, words.at(-1) ?? '')
  // `-flag value`: the value of the flag before the cursor.
  if (open !== undefined && (open.kind === 'value' || open.kind === 'list')) {
    return await names.ofFlag(open)
  }
  const equals = current.indexOf('=')
  if (current.startsWith('-') && equals !== -1) {
    const flag = flagNamed(spec, current.slice(0, equals))
    const values = flag === undefined ? [] : await names.ofFlag(flag)
    return values.map((value) => `${current.slice(0, equals + 1)}${value}`)
  }
  if (current.startsWith('-')) {
    const dashes = current.startsWith('--') ? '--' : '-'
    return spec.flags.map((flag) => `${dashes}${flag.name}`)
  }
  return await names.ofArgument(path, current)
}

function flagNamed(spec: CommandSpec, word: string): FlagSpec | undefined {
  if (!word.startsWith('-') || word.includes('=')) return undefined
  const name = word.replace(/^--?/, '')
  return spec.flags.find((flag) => flag.name === name)
}

const FIXED_VALUES: Readonly<Record<string, readonly string[]>> = {
  'config-format': ['hcl', 'json'],
  format: ['pretty', 'json'],
  kind: [...CONFIG_KINDS.keys()],
  'log-level': ['trace', 'debug', 'info', 'warn', 'error'],
  state: ['any', 'passing', 'warning', 'critical'],
  type: ['key', 'keyprefix', 'services', 'nodes', 'service', 'checks', 'event'],
}

/** Names that the agent knows; none when it does not say them in time. */
class Names {
  /** What the half-written line already says, of the agent to ask above all. */
  readonly #args: Arguments
  readonly #context: CliContext

  constructor(args: Arguments, context: CliContext) {
    this.#args = args
    this.#context = context
  }

  async ofFlag(flag: FlagSpec): Promise<readonly string[]> {
    if (flag.kind === 'bool') return ['true', 'false']
    const fixed = Object.hasOwn(FIXED_VALUES, flag.name) ? FIXED_VALUES[flag.name] : undefined
    if (fixed !== undefined) return fixed
    if (flag.name === 'service') return await this.#services()
    return flag.name === 'node' || flag.name === 'near' ? await this.#nodes() : []
  }

  async ofArgument(path: readonly string[], current: string): Promise<readonly string[]> {
    switch (path[0]) {
      case 'kv':
        return path[1] === 'import' ? [] : await this.#keys(current)
      case 'intention':
        return path[1] === 'list' ? [] : await this.#services()
      case 'force-leave':
      case 'rtt':
        return await this.#nodes()
      default:
        return []
    }
  }

  async #services(): Promise<readonly string[]> {
    return Object.keys(((await this.#ask('/v1/catalog/services', {})) ?? {}) as object)
  }

  async #nodes(): Promise<readonly string[]> {
    const nodes = ((await this.#ask('/v1/catalog/nodes', {})) ?? []) as readonly { Node: string }[]
    return nodes.map(({ Node }) => Node)
  }

  /** Down to the next slash: the shell goes on from there. */
  async #keys(prefix: string): Promise<readonly string[]> {
    const query = { keys: '', separator: '/' }
    return ((await this.#ask(kvPath(prefix), query)) ?? []) as readonly string[]
  }

  async #ask(path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    try {
      const client = new ApiClient(this.#args, this.#context)
      const never = new AbortController().signal
      return await withDeadline(systemClock, LIVE_MAX_MS, never, async (signal) =>
        (await client.get(path, { query: { ...query, stale: '' }, signal })).json(),
      )
    } catch {
      // Whatever it is: a message in the middle of a command line that is being written helps nobody.
      return undefined
    }
  }
}
