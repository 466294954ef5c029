/**
 * Puts the program, its units and a commented configuration on a host, and takes them away again.
 *
 * Guarantees: an installed program is whole (copied beside, then swapped in by one rename); a configuration
 * that exists is never overwritten; uninstalling keeps data and changed configuration unless `--purge`.
 * With `--root` everything goes below a folder and nothing is run, which is how the tests use it.
 */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const SOURCE = join(import.meta.dirname, '..')

/** What runs; everything else of a checkout stays behind. */
const PROGRAM = [
  'bin',
  'cli',
  'core',
  'proto',
  'runtime',
  'server',
  'agent',
  'proxy',
  'package.json',
  'LICENSE',
]

const USAGE = `Usage: scripts/install [options]

  --prefix <dir>   where the program goes (default: /usr/local)
  --server         add the unit settings of a server
  --uninstall      take everything away, keeping data and changed configuration
  --purge          with --uninstall: remove data and configuration too
  --root <dir>     work below this folder and run nothing (packages, tests)
  --link-program   link the program to this checkout instead of copying it
  --help           show this
`

interface Options {
  readonly root: string
  readonly prefix: string
  readonly isServer: boolean
  readonly purge: boolean
  readonly linkProgram: boolean
}

interface Places {
  readonly program: string
  readonly link: string
  readonly unit: string
  readonly dropIn: string
  readonly sysusers: string
  readonly config: string
  readonly data: string
  readonly cache: string
}

function main(argv: readonly string[]): number {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      prefix: { type: 'string', default: '/usr/local' },
      root: { type: 'string', default: '' },
      server: { type: 'boolean', default: false },
      uninstall: { type: 'boolean', default: false },
      purge: { type: 'boolean', default: false },
      'link-program': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (values.purge && !values.uninstall) throw new Error('--purge goes with --uninstall')
  const options: Options = {
    root: values.root,
    prefix: values.prefix,
    isServer: values.server,
    purge: values.purge,
    linkProgram: values['link-program'],
  }
  if (options.root === '' && process.getuid?.() !== 0) {
    throw new Error('This needs root: run it with sudo')
  }
  if (values.uninstall) uninstall(options)
  else install(options)
  return 0
}

function placesOf({ root, prefix }: Options): Places {
  const at = (...parts: readonly string[]): string => join(root === '' ? '/' : root, ...parts)
  return {
    program: at(prefix, 'lib', 'fairlead'),
    link: at(prefix, 'bin', 'fairlead'),
    unit: at(prefix, 'lib', 'systemd', 'system', 'fairlead.service'),
    dropIn: at(prefix, 'lib', 'systemd', 'system', 'fairlead.service.d', 'server.conf'),
    sysusers: at(prefix, 'lib', 'sysusers.d', 'fairlead.conf'),
    config: at('etc', 'fairlead', 'fairlead.hcl'),
    data: at('var', 'lib', 'fairlead'),
    cache: at('var', 'cache', 'fairlead'),
  }
}

function install(options: Options): void {
  const places = placesOf(options)
  installProgram(options, places)
  mkdirSync(dirname(places.link), { recursive: true })
  rmSync(places.link, { force: true })
  symlinkSync(join(options.prefix, 'lib', 'fairlead', 'bin', 'fairlead'), places.link)
  say(places.link)
  const unit = read('systemd/fairlead.service').replaceAll('/usr/local/', `${options.prefix}/`)
  write(places.unit, unit)
  if (options.isServer) write(places.dropIn, read('systemd/server.conf'))
  write(places.sysusers, read('systemd/fairlead.sysusers'))
  if (existsSync(places.config)) console.log(`kept      ${places.config}`)
  else write(places.config, read('systemd/fairlead.hcl'), 0o640)
  if (options.root !== '') return
  run('systemd-sysusers', places.sysusers)
  run('chown', 'root:fairlead', places.config)
  run('systemctl', 'daemon-reload')
  console.log(`
Installed. Next:
  edit ${places.config}
  fairlead validate ${dirname(places.config)}
  systemctl enable --now fairlead`)
}

/** Copied beside its place and swapped in, so that a running agent never sees half a program. */
function installProgram(options: Options, places: Places): void {
  mkdirSync(dirname(places.program), { recursive: true })
  if (options.linkProgram) {
    rmSync(places.program, { recursive: true, force: true })
    symlinkSync(SOURCE, places.program)
    say(places.program)
    return
  }
  const fresh = `${places.program}.new`
  const former = `${places.program}.old`
  rmSync(fresh, { recursive: true, force: true })
  rmSync(former, { recursive: true, force: true })
  for (const name of PROGRAM) cpSync(join(SOURCE, name), join(fresh, name), { recursive: true })
  for (const path of runtimePackages()) {
    cpSync(join(SOURCE, path), join(fresh, path), { recursive: true })
  }
  if (existsSync(places.program)) renameSync(places.program, former)
  renameSync(fresh, places.program)
  rmSync(former, { recursive: true, force: true })
  say(places.program)
}

/** Folders of the packages that the program needs to run: those not for development, and Node itself. */
function runtimePackages(): readonly string[] {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Readonly<Record<string, { dev?: boolean; devOptional?: boolean }>>
  }
  const isRuntime = (path: string): boolean => {
    const { dev, devOptional } = lock.packages[path] ?? {}
    const isNode = path === 'node_modules/node' || path.startsWith('node_modules/node/')
    return isNode || (dev !== true && devOptional !== true)
  }
  return Object.keys(lock.packages).filter(
    // Nested packages come with the folder of the one they are in.
    (path) =>
      /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) &&
      isRuntime(path) &&
      existsSync(join(SOURCE, path)),
  )
}

function uninstall(options: Options): void {
  const places = placesOf(options)
  if (options.root === '' && existsSync(places.unit)) {
    run('systemctl', 'disable', '--now', 'fairlead.service')
  }
  const isUnchanged =
    existsSync(places.config) &&
    readFileSync(places.config, 'utf8') === read('systemd/fairlead.hcl')
  const gone = [
    places.link,
    places.program,
    places.unit,
    dirname(places.dropIn),
    places.sysusers,
    places.cache,
  ]
  if (isUnchanged) gone.push(places.config)
  if (options.purge) gone.push(dirname(places.config), places.data)
  for (const path of gone) {
    // Below another root the link points at nothing; it is there all the same.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) continue
    rmSync(path, { recursive: true, force: true })
    console.log(`removed   ${path}`)
  }
  for (const path of [places.config, places.data]) {
    if (existsSync(path)) console.log(`kept      ${path}`)
  }
  if (options.root === '') run('systemctl', 'daemon-reload')
}

function read(name: string): string {
  return readFileSync(join(SOURCE, name), 'utf8')
}

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, mode)
  say(path)
}

function say(path: string): void {
  console.log(`installed ${path}`)
}

function run(program: string, ...args: readonly string[]): void {
  const result = spawnSync(program, args, { stdio: 'inherit' })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(' ')} exited with ${result.status}`)
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (err) {
  console.error(`install: ${err instanceof Error ? err.message : String(err)}\n\n${USAGE}`)
  process.exitCode = 1
}
