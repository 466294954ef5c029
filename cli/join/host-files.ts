/**
 * The files that make a host part of a secure cluster: its configuration, certificates and keys.
 *
 * Guarantees: nothing that is there is overwritten; files with secrets are for their owner alone, and that is the user
 * of the service where there is one. What has begun and failed is taken away again.
 */

import { chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'

/** The user of systemd/fairlead.service. */
const SERVICE_USER = 'fairlead'

export interface HostFile {
  /** Relative to the folder of the configuration, or absolute. */
  readonly path: string
  readonly text: string
  /** Anybody may read it. */
  readonly isPublic?: true
}

/** Where a host has them; marks of an earlier init or join. */
export const MARKS: readonly string[] = ['init.hcl', 'join.hcl']

/** @throws FairleadError REJECTED when this host is part of a cluster already */
export async function assertIsNew(configDir: string, dataDir: string): Promise<void> {
  const marks = [
    ...MARKS.map((mark) => join(configDir, mark)),
    join(dataDir, 'raft'),
    join(dataDir, 'serf'),
  ]
  for (const path of marks) {
    if (!(await exists(path))) continue
    throw new FairleadError(
      'REJECTED',
      `This host is part of a cluster already: there is ${path}`,
      { facts: { hint: 'stop its agent and remove the file or folder to begin anew' } },
    )
  }
}

/** @throws FairleadError STORAGE_FAILED */
export async function assertWritable(configDir: string): Promise<void> {
  const probe = join(configDir, `.join-${process.pid}`)
  try {
    await mkdir(configDir, { recursive: true, mode: 0o755 })
    await writeFile(probe, '', { flag: 'wx', mode: 0o600 })
    await rm(probe)
  } catch (cause) {
    throw cannotWrite(cause)
  }
}

/** @returns their paths. @throws FairleadError REJECTED | STORAGE_FAILED with nothing left behind */
export async function writeHostFiles(
  configDir: string,
  files: readonly HostFile[],
): Promise<readonly string[]> {
  const owner = await serviceOwner()
  const written: string[] = []
  try {
    for (const { path, text, isPublic } of files) {
      const full = isAbsolute(path) ? path : join(configDir, path)
      await makeFolders(dirname(full), dirname(full) === configDir, owner)
      await writeFile(full, text, { flag: 'wx', mode: isPublic === true ? 0o644 : 0o600 })
      written.push(full)
      if (owner !== undefined) await chown(full, owner.uid, owner.gid)
    }
  } catch (cause) {
    await Promise.all(written.map((path) => rm(path, { force: true })))
    throw cannotWrite(cause)
  }
  return written
}

function cannotWrite(cause: unknown): FairleadError {
  const { code, message } = cause as NodeJS.ErrnoException
  const hint = code === 'EACCES' ? 'run it as root, or choose -config-dir and -data-dir' : undefined
  return new FairleadError('STORAGE_FAILED', `Cannot write the configuration: ${message}`, {
    cause,
    facts: hint === undefined ? {} : { hint },
  })
}

/** Makes the folder of data, for the user of the service. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  const owner = await serviceOwner()
  const isNew = !(await exists(dataDir))
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  if (isNew && owner !== undefined) await chown(dataDir, owner.uid, owner.gid)
}

/** Who runs the service; undefined where it is whoever calls. */
export async function serviceOwner(): Promise<
  { readonly uid: number; readonly gid: number } | undefined
> {
  if (process.getuid?.() !== 0) return undefined
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  for (const line of users.split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === SERVICE_USER) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

async function makeFolders(
  folder: string,
  isConfigDir: boolean,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: isConfigDir ? 0o755 : 0o700 })
  if (first === undefined || isConfigDir || owner === undefined) return
  // All that was made, so that the service may go through it.
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await chown(made, owner.uid, owner.gid)
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
