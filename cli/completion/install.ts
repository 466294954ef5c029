/**
 * Puts completion into the start-up files of bash, zsh and fish, and takes it out (cli.md section 1).
 *
 * Guarantees: installing twice changes nothing; only lines of its own are added and removed; a file is replaced whole.
 * The program must be found by its name: completion works wherever `fairlead` does.
 */

import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const BASH = 'complete -C fairlead fairlead'
const ZSH = `autoload -U +X bashcompinit && bashcompinit; ${BASH}`
const FISH = [
  'function __fairlead_complete',
  '    set -lx COMP_LINE (commandline -cp)',
  '    set -lx COMP_SHELL fish',
  '    fairlead',
  'end',
  'complete -f -c fairlead -a "(__fairlead_complete)"',
  '',
].join('\n')

export interface InstallOutcome {
  readonly path: string
  readonly hasChanged: boolean
}

export async function installCompletion(home: string): Promise<readonly InstallOutcome[]> {
  const outcomes: InstallOutcome[] = []
  for (const { path, line } of lineFiles(home)) {
    const text = await readIfThere(path)
    if (text === undefined) continue
    const has = linesOf(text).includes(line)
    if (!has)
      await replace(path, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`)
    outcomes.push({ path, hasChanged: !has })
  }
  const fish = fishFile(home)
  if (await exists(dirname(dirname(fish)))) {
    const has = (await readIfThere(fish)) === FISH
    if (!has) {
      await mkdir(dirname(fish), { recursive: true })
      await replace(fish, FISH)
    }
    outcomes.push({ path: fish, hasChanged: !has })
  }
  return outcomes
}

export async function uninstallCompletion(home: string): Promise<readonly InstallOutcome[]> {
  const outcomes: InstallOutcome[] = []
  for (const { path, line } of lineFiles(home)) {
    const text = await readIfThere(path)
    if (text === undefined || !linesOf(text).includes(line)) continue
    await replace(
      path,
      linesOf(text)
        .filter((one) => one !== line)
        .join('\n'),
    )
    outcomes.push({ path, hasChanged: true })
  }
  const fish = fishFile(home)
  if (await exists(fish)) {
    await rm(fish)
    outcomes.push({ path: fish, hasChanged: true })
  }
  return outcomes
}

function lineFiles(home: string): readonly { readonly path: string; readonly line: string }[] {
  return [
    { path: join(home, '.bashrc'), line: BASH },
    { path: join(home, '.zshrc'), line: ZSH },
  ]
}

function fishFile(home: string): string {
  return join(home, '.config', 'fish', 'completions', 'fairlead.fish')
}

function linesOf(text: string): readonly string[] {
  return text.split('\n')
}

/** A shell that starts meanwhile reads the old file or the new one. Links are followed, modes stay. */
async function replace(path: string, text: string): Promise<void> {
  const isThere = await exists(path)
  const target = isThere ? await realpath(path) : path
  const mode = isThere ? (await stat(target)).mode & 0o777 : 0o644
  const next = `${target}.fairlead-${process.pid}`
  await writeFile(next, text, { mode })
  await rename(next, target)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw err
  }
}
