/**
 * Answers the shell, and `-autocomplete-install` and `-autocomplete-uninstall` (cli.md section 1).
 */

import { FairleadError } from '../../core/errors.ts'
import type { CliContext } from '../command.ts'
import { complete, splitLine } from './complete.ts'
import { installCompletion, uninstallCompletion } from './install.ts'

/** @param line COMP_LINE, up to the cursor */
export async function answerShell(line: string, context: CliContext): Promise<number> {
  const split = splitLine(line)
  const words = await complete(split, context)
  // bash and zsh take `=` for the beginning of a word, fish does not.
  const equals = context.env['COMP_SHELL'] === 'fish' ? -1 : split.current.indexOf('=')
  context.stdout(words.map((word) => `${word.slice(equals + 1)}\n`).join(''))
  return 0
}

export async function changeInstallation(isInstall: boolean, context: CliContext): Promise<number> {
  const home = context.env['HOME'] ?? ''
  if (home === '') {
    throw new FairleadError('BAD_REQUEST', 'HOME is not set, so there are no files of a shell', {
      facts: { hint: 'run it as the user who is to have completion' },
    })
  }
  const outcomes = isInstall ? await installCompletion(home) : await uninstallCompletion(home)
  if (outcomes.length === 0) {
    context.stderr(
      isInstall
        ? `There is no .bashrc, .zshrc or .config/fish in ${home}; make the one of your shell first\n`
        : `Completion is not installed in ${home}\n`,
    )
    return 1
  }
  for (const { path, hasChanged } of outcomes) {
    const done = isInstall ? 'Completion added to' : 'Completion removed from'
    context.stdout(`${hasChanged ? done : 'Completion is already in'} ${path}\n`)
  }
  if (isInstall) context.stdout('It works in shells that start from now on\n')
  return 0
}
