/**
 * Finds the command that was asked for, runs it, and turns every failure into a message and an exit code.
 *
 * Exit codes: 0 good, 1 failed or used wrongly, 127 no such command; commands add their own
 * (docs/reference/cli.md). Results go to stdout, all else to stderr.
 */

import { nearestName } from '../core/config/nearest-name.ts'
import { FairleadError } from '../core/errors.ts'
import { type CliContext, type CommandSpec, UsageError } from './command.ts'
import type { CommandNode, CommandTree } from './command-node.ts'
import { COMMANDS } from './command-tree.ts'
import { parseGoFlags, unknownFlagMessage } from './go-flags.ts'

const EXIT_FAILED = 1
const EXIT_NO_COMMAND = 127

export async function runProgram(argv: readonly string[], context: CliContext): Promise<number> {
  const line = context.env['COMP_LINE']
  if (line !== undefined) {
    const { answerShell } = await import('./completion/answer.ts')
    const end = Number(context.env['COMP_POINT'] ?? Number.NaN)
    return await answerShell(Number.isInteger(end) ? line.slice(0, end) : line, context)
  }
  const [first] = argv
  const installation = /^--?autocomplete-(install|uninstall)$/.exec(first ?? '')
  if (installation !== null) {
    const { changeInstallation } = await import('./completion/answer.ts')
    try {
      return await changeInstallation(installation[1] === 'install', context)
    } catch (thrown) {
      return reportFailure(thrown, 'fairlead', context)
    }
  }
  if (first === '-v' || first === '-version' || first === '--version') {
    return await runProgram(['version', ...argv.slice(1)], context)
  }
  const found = find(argv)
  switch (found.kind) {
    case 'command':
      return await runCommand(found.path, await found.load(), found.rest, context)
    case 'group':
      return await showGroup(found, context)
    case 'unsupported':
      context.stderr(
        `fairlead ${found.path.join(' ')} is not supported: ${found.instead}\nWhat is: fairlead --help\n`,
      )
      return EXIT_FAILED
    case 'unknown':
      return unknownCommand(found, context)
  }
}

type Found =
  | {
      readonly kind: 'command'
      readonly path: readonly string[]
      readonly rest: readonly string[]
      readonly load: () => Promise<CommandSpec>
    }
  | {
      readonly kind: 'group'
      readonly path: readonly string[]
      readonly summary: string
      readonly children: CommandTree
      readonly asked: boolean
    }
  | {
      readonly kind: 'unsupported'
      readonly path: readonly string[]
      readonly instead: string
    }
  | {
      readonly kind: 'unknown'
      readonly path: readonly string[]
      readonly word: string
      readonly children: CommandTree
    }

const SUMMARY = 'A service mesh for virtual machines and bare metal'

function find(argv: readonly string[]): Found {
  let children = COMMANDS
  let summary = SUMMARY
  const path: string[] = []
  for (const [index, word] of argv.entries()) {
    if (word.startsWith('-')) {
      const asked = /^--?h(?:elp)?$/.test(word)
      if (asked) return { kind: 'group', path, summary, children, asked }
      return { kind: 'unknown', path, word, children }
    }
    const node: CommandNode | undefined = Object.hasOwn(children, word) ? children[word] : undefined
    if (node === undefined) return { kind: 'unknown', path, word, children }
    path.push(word)
    if (node.kind === 'unsupported') return { kind: 'unsupported', path, instead: node.instead }
    if (node.kind === 'command') {
      return { kind: 'command', path, rest: argv.slice(index + 1), load: node.load }
    }
    children = node.children
    summary = node.summary
  }
  return { kind: 'group', path, summary, children, asked: false }
}

/** Help that was asked for is a result; help shown for want of a command is not. */
async function showGroup(
  found: Extract<Found, { kind: 'group' }>,
  context: CliContext,
): Promise<number> {
  const { groupHelp } = await import('./help.ts')
  const text = groupHelp(found.path, found.summary, found.children, context.columns)
  if (found.asked) context.stdout(text)
  else context.stderr(text)
  return found.asked ? 0 : EXIT_NO_COMMAND
}

function unknownCommand(found: Extract<Found, { kind: 'unknown' }>, context: CliContext): number {
  const where = ['fairlead', ...found.path].join(' ')
  const near = nearestName(found.word, Object.keys(found.children))
  const hint = near === undefined ? '' : `Did you mean: ${where} ${near}\n`
  context.stderr(
    `There is no command "${where} ${found.word}"\n${hint}All commands: ${where} --help\n`,
  )
  return EXIT_NO_COMMAND
}

async function runCommand(
  path: readonly string[],
  spec: CommandSpec,
  rest: readonly string[],
  context: CliContext,
): Promise<number> {
  const parsed = parseGoFlags(rest, spec.flags)
  if (parsed.wantsHelp) {
    const { commandHelp } = await import('./help.ts')
    context.stdout(commandHelp(path, spec, context.columns))
    return 0
  }
  const name = ['fairlead', ...path].join(' ')
  const problems = [...parsed.problems]
  if (spec.acceptsUnknownFlags !== true) {
    const names = spec.flags.map((flag) => flag.name)
    problems.push(...parsed.unknown.map((flag) => unknownFlagMessage(flag, names)))
    const { positionals } = parsed.args
    // Never passed over: what was meant as a flag would else be a change that nobody asked for.
    if (spec.usage === '' && positionals.length > 0) {
      problems.push(
        `Too many arguments (expected 0, got ${positionals.length}): ${positionals.join(' ')}`,
      )
    }
  }
  if (problems.length > 0) {
    context.stderr(`${problems.join('\n')}\nUsage: ${name} --help\n`)
    return EXIT_FAILED
  }
  try {
    return await spec.run(parsed.args, context, parsed.unknown)
  } catch (thrown) {
    return reportFailure(thrown, name, context)
  }
}

function reportFailure(thrown: unknown, name: string, context: CliContext): number {
  if (thrown instanceof UsageError) {
    context.stderr(`${thrown.message}\nUsage: ${name} --help\n`)
    return EXIT_FAILED
  }
  if (thrown instanceof FairleadError) {
    const hint = thrown.facts['hint'] ?? thrown.entry.hint
    context.stderr(`${thrown.message}\n${hint === undefined ? '' : `Try: ${hint}\n`}`)
    return EXIT_FAILED
  }
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  context.stderr(`fairlead failed unexpectedly; this is a bug:\n${text}\n`)
  return EXIT_FAILED
}
