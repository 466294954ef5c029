/**
 * `fairlead agent`: judges flags and files, then runs the agent until it is told to stop.
 *
 * A wrong flag or file gets every problem at once, each with key, value and fix, and exit code 1; nothing
 * has been started or written by then.
 */

import { RENAMED } from '../../core/config/deprecated.ts'
import { AGENT_FLAGS, type AgentFlag } from '../../core/config/flags.ts'
import { leaves } from '../../core/config/key-table.ts'
import { KEYS } from '../../core/config/keys.ts'
import { type ConfigProblem, formatProblem } from '../../core/config/problem.ts'
import { readHostFacts } from '../agent/host-facts.ts'
import { type ConfigSources, loadConfig } from '../agent/load-config.ts'
import { SOURCE_FLAGS } from '../agent/sources.ts'
import {
  type Arguments,
  type CliContext,
  type CommandSpec,
  type FlagSpec,
  toggle,
} from '../command.ts'
import { unknownFlagMessage } from '../go-flags.ts'

const FLAGS: readonly FlagSpec[] = [
  toggle('dev', 'a server on loopback that keeps nothing; to try things out'),
  ...SOURCE_FLAGS,
  ...agentFlags(),
]

export const agentCommand: CommandSpec = {
  summary: 'Run the agent (and, with -server, the server) until it is stopped',
  usage: '',
  flags: FLAGS,
  acceptsUnknownFlags: true,
  run: async (args, context, unknownFlags) => {
    const sources = sourcesOf(args)
    const result = await loadConfig(sources, readHostFacts())
    const problems = [...usageProblems(args, unknownFlags), ...(result.ok ? [] : result.problems)]
    if (!result.ok || problems.length > 0) {
      report(problems, result.ok ? result.loaded.warnings : result.warnings, context)
      return 1
    }
    const { runAgent } = await import('../agent/run-agent.ts')
    return await runAgent(result.loaded, sources, context)
  },
}

/** A flag says in its help when the key that it sets does nothing yet. */
function agentFlags(): readonly FlagSpec[] {
  const support = new Map([...leaves(KEYS)].map(([path, leaf]) => [path, leaf.support]))
  const note = ({ key }: AgentFlag): string => {
    return support.get(RENAMED.get(key) ?? key) === 'none' ? ' (no effect yet)' : ''
  }
  return AGENT_FLAGS.map((flag) => {
    const { name, kind, metavar, doc } = flag
    return { name, kind, metavar, doc: `${doc}${note(flag)}` }
  })
}

function sourcesOf(args: Arguments): ConfigSources {
  const format = args.text('config-format')
  return {
    dev: args.bool('dev'),
    flags: args,
    paths: args.ordered(['config-file', 'config-dir']),
    format: format === 'hcl' || format === 'json' ? format : undefined,
    fragments: args.list('hcl'),
  }
}

function usageProblems(args: Arguments, unknownFlags: readonly string[]): readonly ConfigProblem[] {
  const names = FLAGS.map((flag) => flag.name)
  const problems = unknownFlags.map((flag) => ({
    key: flag,
    message: unknownFlagMessage(flag, names),
    origin: '',
    fix: 'see fairlead agent --help',
  }))
  const [stray] = args.positionals
  if (stray !== undefined) {
    problems.push({
      key: '',
      message: `unexpected argument "${stray}"`,
      origin: '',
      fix: 'write flags as -name value or -name=value; true and false only as -name=false',
    })
  }
  const format = args.text('config-format')
  if (format !== undefined && format !== 'hcl' && format !== 'json') {
    problems.push({
      key: 'config-format',
      message: `-config-format cannot be "${format}"`,
      origin: 'flag -config-format',
      fix: 'use hcl or json',
    })
  }
  return problems
}

function report(
  problems: readonly ConfigProblem[],
  warnings: readonly string[],
  context: CliContext,
): void {
  for (const warning of warnings) context.stderr(`warning: ${warning}\n`)
  const count = problems.length === 1 ? 'One problem' : `${problems.length} problems`
  context.stderr(`${count} in the configuration; nothing was started.\n`)
  for (const problem of problems) context.stderr(`==> ${formatProblem(problem)}\n`)
}
