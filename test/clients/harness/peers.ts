/**
 * Programs and libraries of other projects that tests drive against an agent: found on this machine, or
 * installed once into a cache folder outside the checkout.
 *
 *   const haproxy = installedProgram(t, 'haproxy')
 *   if (haproxy === undefined) return
 *
 * Guarantees: what it returns can be run; where it returns undefined the test was skipped with the reason. A skip and no
 * failure, because npm cannot bring these programs along: a machine without root, Go or network is not at fault. That it
 * goes unseen is prevented by .ci/run, which installs them or says what is missing, and by the summary of `npm test`, which
 * repeats every skip. A peer that can be had but does not build fails the test.
 * Versions are pinned: for Go by go.mod and go.sum of the peer's folder, for Python by its requirements.txt; Debian's are
 * what its release has. Installs are bounded by INSTALL_MAX_MS; an entry of the cache appears whole or not at all, so that
 * tests may install at the same time. The folder is FAIRLEAD_TEST_CACHE or, without it, in the user's cache folder; deleting
 * it costs time only.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { finished, ROOT } from '../../e2e/harness/program.ts'

/** Prometheus, the largest, compiles in about two minutes of two idle cores. */
const INSTALL_MAX_MS = 8 * 60_000
/** Where distributions put programs that are not for every user. */
const MORE_FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin']
/** How much of a tool's complaint a skipped test repeats. */
const REASON_LENGTH_MAX = 300

const PEERS = join(ROOT, 'test', 'clients')

/** Path of a program that the machine has. @param folders patterns of further folders to look into */
export function installedProgram(
  t: TestContext,
  name: string,
  folders: readonly string[] = [],
): string | undefined {
  const search = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...MORE_FOLDERS,
    ...folders.flatMap((pattern) => globSync(pattern)),
  ]
  const found = search.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined) t.skip(`${name} is not installed`)
  return found
}

/**
 * Path of a program that the machine has, or that its Debian package holds: the package is unpacked, not installed,
 * where installing would change how the machine works.
 *
 * @param path inside the package
 */
export async function unpackedProgram(
  t: TestContext,
  { name, path }: { readonly name: string; readonly path: string },
): Promise<string | undefined> {
  if (existsSync(`/${path}`)) return `/${path}`
  const entry = cacheEntry(name, [path])
  const program = join(entry, path)
  if (await isThere(program)) return program
  if (spawnSync('dpkg-deb', ['--version']).status !== 0) {
    t.skip(`${name} is not installed`)
    return undefined
  }
  const problem = await install(entry, async (folder) => {
    const { env } = process
    const fetched = await run('apt-get', ['download', '-qq', name], { cwd: folder, env })
    const [archive] = globSync('*.deb', { cwd: folder })
    if (archive === undefined) return reason(fetched.stderr)
    const unpacked = await run('dpkg-deb', ['-x', archive, '.'], { cwd: folder, env })
    await rm(join(folder, archive))
    return unpacked.code === 0 ? undefined : reason(unpacked.stderr)
  })
  if (problem === undefined) return program
  t.skip(`${name} cannot be had: ${problem}`)
  return undefined
}

export interface GoPeer {
  /** Folder of test/clients with go.mod and go.sum. */
  readonly folder: string
  /** What to build there; '.' for a program of ours. */
  readonly package: string
  readonly tags?: readonly string[]
}

/** Path of a program that is compiled from the module of a peer. */
export async function goProgram(t: TestContext, peer: GoPeer): Promise<string | undefined> {
  const version = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  if (version.status !== 0) {
    t.skip('Go is not installed')
    return undefined
  }
  const sources = join(PEERS, peer.folder)
  const tags = (peer.tags ?? []).join(',')
  const key = [version.stdout, peer.package, tags, ...globSync(join(sources, '*')).sort()]
  const entry = cacheEntry(peer.folder, key)
  const program = join(entry, 'program')
  if (await isThere(program)) return program
  // A module that cannot be fetched is no fault of ours; the newest tool chain is not fetched for it either.
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' }
  const go = (argv: readonly string[]): ReturnType<typeof run> =>
    run('go', argv, { cwd: sources, env })
  const listed = await go(['list', '-deps', `-tags=${tags}`, peer.package])
  if (listed.code !== 0) {
    t.skip(`the Go modules of ${peer.folder} cannot be had: ${reason(listed.stderr)}`)
    return undefined
  }
  await install(entry, async (folder) => {
    const argv = ['build', '-p=2', '-ldflags=-s', `-tags=${tags}`, '-o', join(folder, 'program')]
    const built = await go([...argv, peer.package])
    assert.equal(built.code, 0, built.stderr)
    return undefined
  })
  return program
}

/** An interpreter that can import the packages of `<folder>/requirements.txt`. */
export interface PythonPeer {
  readonly interpreter: string
  /** Folder of the packages. */
  readonly packages: string
  /** Environment in which the interpreter finds the packages, and nothing of the user's own. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** @param interpreter of the system: whatever user is to run it can */
export async function pythonPackages(
  t: TestContext,
  folder: string,
  interpreter = '/usr/bin/python3',
): Promise<PythonPeer | undefined> {
  if (!existsSync(interpreter)) {
    t.skip('Python is not installed')
    return undefined
  }
  const version = spawnSync(interpreter, ['--version'], { encoding: 'utf8' }).stdout
  const requirements = join(PEERS, folder, 'requirements.txt')
  const entry = cacheEntry(folder, [interpreter, version, requirements])
  const packages = join(entry, 'packages')
  const env = { ...process.env, PYTHONPATH: packages, PYTHONNOUSERSITE: '1' }
  if (await isThere(packages)) return { interpreter, packages, env }
  if (spawnSync(interpreter, ['-m', 'pip', '--version']).status !== 0) {
    t.skip('pip is not installed')
    return undefined
  }
  const problem = await install(entry, async (scratch) => {
    const into = ['--target', join(scratch, 'packages'), '-r', requirements]
    const argv = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...into]
    const installed = await run(interpreter, argv, { env: process.env })
    return installed.code === 0 ? undefined : reason(installed.stderr)
  })
  if (problem === undefined) return { interpreter, packages, env }
  t.skip(`the Python packages of ${folder} cannot be had: ${problem}`)
  return undefined
}

/** @param key texts and paths of files; whatever changes one makes another entry */
function cacheEntry(name: string, key: readonly string[]): string {
  const hash = createHash('sha256')
  for (const item of key) {
    hash.update(`${item}\0`)
    if (item.startsWith(PEERS)) hash.update(readFileSync(item))
  }
  return join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 16)}`)
}

function cacheFolder(): string {
  const own = process.env['FAIRLEAD_TEST_CACHE']
  if (own !== undefined && own !== '') return own
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fairlead-tests')
}

/** Fills a folder beside the entry and puts it in place; what `fill` returns says why not. */
async function install(
  entry: string,
  fill: (folder: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  await mkdir(cacheFolder(), { recursive: true })
  const folder = await mkdtemp(`${entry}.`)
  try {
    const problem = await fill(folder)
    if (problem !== undefined) return problem
    await rename(folder, entry).catch((err: unknown) => {
      // Another test was faster; its entry is as good.
      const code = (err as NodeJS.ErrnoException).code
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw err
    })
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path, constants.R_OK).then(
    () => true,
    () => false,
  )
}

function run(
  program: string,
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env: NodeJS.ProcessEnv },
): ReturnType<typeof finished> {
  return finished(spawn(program, argv, { ...options, stdio: 'pipe', timeout: INSTALL_MAX_MS }))
}

function reason(stderr: string): string {
  return stderr.trim().replaceAll(/\s+/g, ' ').slice(0, REASON_LENGTH_MAX)
}
