/**
 * Reads the project's TypeScript sources and what each imports, for the architecture tests.
 *
 * Works on text: the formatter guarantees that an import statement begins a line, which is all that the
 * scanner relies on. Does not resolve packages; relative imports must carry their extension (the compiler
 * holds that), so resolving is path arithmetic.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'

export interface Import {
  /** As written: `node:fs`, `pino`, `../a.ts`. */
  readonly specifier: string
  /** Path from the root for a relative import, else undefined. */
  readonly path: string | undefined
  readonly typeOnly: boolean
  /** Loaded when the program comes to it, not before it begins. */
  readonly isLate: boolean
}

export interface SourceFile {
  /** From the project root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

export const ROOT = join(import.meta.dirname, '..', '..')

export const SOURCE_FOLDERS = [
  'core',
  'proto',
  'runtime',
  'server',
  'agent',
  'proxy',
  'cli',
  'scripts',
  'bench',
  'test',
  'ui',
] as const

const STATIC = /^(?:import|export)(\s+type)?\s(?:[^'";=()]*?\bfrom\s*)?'([^'\n]+)'/gm
const DYNAMIC = /\bimport\(\s*'([^'\n]+)'/g

export function readSources(folders: readonly string[] = SOURCE_FOLDERS): readonly SourceFile[] {
  return folders.flatMap((folder) => walk(folder)).map((path) => sourceFile(path, read(path)))
}

export function sourceFile(path: string, text: string): SourceFile {
  const code = withoutComments(text)
  const imports: Import[] = []
  for (const match of code.matchAll(STATIC)) {
    imports.push(
      importOf(path, match[2] ?? '', { typeOnly: match[1] !== undefined, isLate: false }),
    )
  }
  for (const match of code.matchAll(DYNAMIC)) {
    imports.push(importOf(path, match[1] ?? '', { typeOnly: false, isLate: true }))
  }
  return { path, text, imports }
}

/** `runtime/log` for `runtime/log/x.ts`, `cli` for `cli/x.ts`. */
export function folderOf(path: string): string {
  const parts = path.split('/')
  return parts.length > 2 ? `${parts[0]}/${parts[1]}` : (parts[0] ?? '')
}

/** `@scope/name` or `name` of a bare specifier. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : (parts[0] ?? '')
}

/** Drops block and whole-line comments; enough because code follows the formatter. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

function importOf(
  from: string,
  specifier: string,
  kind: Pick<Import, 'typeOnly' | 'isLate'>,
): Import {
  const relative = specifier.startsWith('.')
  const path = relative
    ? normalize(join(dirname(from), specifier))
        .split(sep)
        .join('/')
    : undefined
  return { specifier, path, ...kind }
}

function walk(folder: string): readonly string[] {
  if (!existsSync(join(ROOT, folder))) return []
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(path)
    return entry.name.endsWith('.ts') || entry.name.endsWith('.tsx') ? [path] : []
  })
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}
