/**
 * Runs a developer command after doing whatever set-up it needs: `node scripts/with-setup.mjs <target> [args]`.
 *
 * Guarantees: works from a clean clone with any Node from 18 on and npm; installs the locked dependencies
 * when they are missing or were installed from another lockfile; then runs the target with the Node that
 * the lockfile pins, passes arguments and signals through and ends with the target's exit code.
 * Plain JavaScript because it must run before the pinned Node (which runs TypeScript) is there.
 */

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `setup` only installs. */
const TARGETS = { demo: 'scripts/demo.ts', test: 'scripts/test.ts', setup: '' }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const pinnedNode = join(modules, 'node', 'bin', 'node')
const stampFile = join(modules, '.fairlead-lockfile')
const lockfile = join(root, 'package-lock.json')

const [target = '', ...args] = process.argv.slice(2)
const script = TARGETS[target]
if (script === undefined) {
  console.error(
    `usage: node scripts/with-setup.mjs <${Object.keys(TARGETS).join('|')}> [arguments]`,
  )
  process.exit(2)
}

if (!isInstalled()) install()
if (script !== '') run(script, args)

function lockfileHash() {
  return createHash('sha256').update(readFileSync(lockfile)).digest('hex')
}

/** The stamp tells apart a lockfile that was only touched (a checkout) from one that changed. */
function isInstalled() {
  if (!existsSync(pinnedNode)) return false
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === lockfileHash()
  const installed = join(modules, '.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lockfile).mtimeMs)
    return false
  writeFileSync(stampFile, lockfileHash())
  return true
}

function install() {
  console.error('Installing the locked dependencies (npm ci); this happens once.')
  const npm = process.env.npm_execpath
  const command = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const result = spawnSync(command[0], [...command.slice(1), 'ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (result.status !== 0) {
    console.error('npm ci failed: see above. It needs a package registry that npm can reach.')
    process.exit(result.status ?? 1)
  }
  if (!existsSync(pinnedNode)) {
    console.error(
      `npm ci finished but ${pinnedNode} is missing: were install scripts switched off?`,
    )
    console.error('Allow them for the package "node" (it brings the binary) and run: npm ci')
    process.exit(1)
  }
  writeFileSync(stampFile, lockfileHash())
}

function run(path, scriptArgs) {
  const child = spawn(
    pinnedNode,
    ['--disable-warning=ExperimentalWarning', join(root, path), ...scriptArgs],
    {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        PATH: [dirname(pinnedNode), join(modules, '.bin'), process.env.PATH].join(delimiter),
      },
    },
  )
  // The terminal sends Ctrl-C to the whole group; other signals are passed on. Either way the child decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal)
    })
  }
  child.on('error', (err) => {
    console.error(err.message)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
  })
}
