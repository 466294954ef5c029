/**
 * `fairlead validate`: would the agent start with these files? (cli.md section 7)
 */

import { formatProblem } from '../../core/config/problem.ts'
import { readHostFacts } from '../agent/host-facts.ts'
import { loadConfig } from '../agent/load-config.ts'
import { FORMAT_FLAG, formatOf } from '../agent/sources.ts'
import { type CommandSpec, toggle, UsageError } from '../command.ts'
import { parseGoFlags } from '../go-flags.ts'

export const validateCommand: CommandSpec = {
  summary: 'Check configuration files; the whole agent configuration must be there',
  usage: 'PATH...',
  flags: [FORMAT_FLAG, toggle('quiet', 'say nothing when the configuration is valid')],
  run: async (args, context) => {
    if (args.positionals.length === 0) {
      throw new UsageError('Must specify at least one config file or directory')
    }
    const result = await loadConfig(
      {
        dev: false,
        flags: parseGoFlags([], []).args,
        paths: args.positionals,
        format: formatOf(args),
        fragments: [],
      },
      readHostFacts(),
    )
    const warnings = result.ok ? result.loaded.warnings : result.warnings
    for (const warning of warnings) context.stderr(`warning: ${warning}\n`)
    if (!result.ok) {
      const text = result.problems.map((problem) => formatProblem(problem)).join('\n')
      context.stderr(`Config validation failed: ${text}\n`)
      return 1
    }
    if (!args.bool('quiet')) context.stdout('Configuration is valid!\n')
    return 0
  },
}
