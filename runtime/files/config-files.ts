/**
 * Finds and reads configuration files (agent-config.md section 1).
 *
 * A folder gives its regular files (links resolved, no recursion) in byte order of their names. Every file
 * that cannot be read is reported, not the first only. Bounds: FILE_BYTES_MAX a file, FILES_MAX a folder.
 */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export type FileFormat = 'hcl' | 'json'

export interface ConfigFile {
  readonly path: string
  readonly format: FileFormat
  readonly text: string
}

export interface FoundFiles {
  readonly files: readonly ConfigFile[]
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

const FILE_BYTES_MAX = 4 * 1024 * 1024
const FILES_MAX = 10_000

/** @param format forced for every file, whatever its name */
export async function readConfigFiles(
  paths: readonly string[],
  format: FileFormat | undefined,
): Promise<FoundFiles> {
  const parts = await Promise.all(paths.map((path) => readOne(path, format)))
  return {
    files: parts.flatMap((part) => part.files),
    problems: parts.flatMap((part) => part.problems),
    warnings: parts.flatMap((part) => part.warnings),
  }
}

async function readOne(path: string, format: FileFormat | undefined): Promise<FoundFiles> {
  try {
    const info = await stat(path)
    if (info.isDirectory()) return await readFolder(path, format)
    const found = format ?? formatOf(path)
    if (found === undefined) {
      return problem(
        `file ${path} has unknown extension; must be .hcl or .json, or config format must be set`,
      )
    }
    return await readText(path, found)
  } catch (err) {
    return problem(`cannot read "${path}": ${reason(err)}`)
  }
}

async function readFolder(folder: string, format: FileFormat | undefined): Promise<FoundFiles> {
  const names = (await readdir(folder)).sort(byBytes)
  if (names.length > FILES_MAX) return problem(`${folder} holds more than ${FILES_MAX} files`)
  const parts = await Promise.all(names.map((name) => readEntry(join(folder, name), format)))
  return {
    files: parts.flatMap((part) => part.files),
    problems: parts.flatMap((part) => part.problems),
    warnings: parts.flatMap((part) => part.warnings),
  }
}

async function readEntry(path: string, format: FileFormat | undefined): Promise<FoundFiles> {
  try {
    if (!(await stat(path)).isFile()) return NOTHING
    const found = format ?? formatOf(path)
    if (found !== undefined) return await readText(path, found)
    const warning = `skipping file ${path}, extension must be .hcl or .json, or config format must be set`
    return { ...NOTHING, warnings: [warning] }
  } catch (err) {
    return problem(`cannot read "${path}": ${reason(err)}`)
  }
}

async function readText(path: string, format: FileFormat): Promise<FoundFiles> {
  const bytes = await readFile(path)
  if (bytes.length > FILE_BYTES_MAX)
    return problem(`${path} is larger than ${FILE_BYTES_MAX} bytes`)
  return { ...NOTHING, files: [{ path, format, text: bytes.toString('utf8') }] }
}

const NOTHING: FoundFiles = { files: [], problems: [], warnings: [] }

function problem(message: string): FoundFiles {
  return { ...NOTHING, problems: [message] }
}

function formatOf(path: string): FileFormat | undefined {
  if (path.endsWith('.hcl')) return 'hcl'
  return path.endsWith('.json') ? 'json' : undefined
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function reason(err: unknown): string {
  const code = (err as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  return err instanceof Error ? err.message : String(err)
}
