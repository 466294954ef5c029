/**
 * The import table of the design as data, and the functions that find what breaks it.
 *
 * Each finder takes source files and returns sentences, so that the same code judges the project and the
 * planted violations of layers.test.ts. The table and its reasons: docs/decisions/0001-layout-and-import-table.md.
 */

import { folderOf, packageOf, type SourceFile } from './source-tree.ts'

interface LayerRule {
  readonly folders: readonly string[]
  readonly node: boolean
  /** Packages this layer may import; 'any' is narrowed by the one-folder rule below. */
  readonly packages: readonly string[] | 'any'
}

const ALL = ['core', 'proto', 'runtime', 'server', 'agent', 'proxy', 'cli', 'scripts', 'bench']

export const LAYERS: Readonly<Record<string, LayerRule>> = {
  // Pure packages only, each on purpose: linear-time regular expressions for patterns that users write.
  core: { folders: ['core'], node: false, packages: ['re2js'] },
  proto: { folders: ['proto'], node: false, packages: ['@bufbuild/protobuf'] },
  runtime: { folders: ['core', 'proto', 'runtime'], node: true, packages: 'any' },
  server: { folders: ['core', 'proto', 'runtime', 'server'], node: true, packages: [] },
  agent: { folders: ['core', 'proto', 'runtime', 'agent'], node: true, packages: ['fastify'] },
  proxy: { folders: ['core', 'runtime', 'proxy'], node: true, packages: [] },
  cli: { folders: ALL, node: true, packages: ['commander'] },
  // Reads the tables of the other folders to write reference pages.
  scripts: { folders: ALL, node: true, packages: [] },
  bench: { folders: ALL, node: true, packages: 'any' },
  test: { folders: [...ALL, 'test'], node: true, packages: 'any' },
  ui: { folders: ['ui', 'core'], node: false, packages: [] },
}

/** Packages that more than one folder may import, with the folders. All others: one folder of runtime/. */
export const SHARED_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  fastify: ['agent/http'],
  commander: ['cli', 'cli/commands'],
  // The generated code needs its library, and the RPC shell encodes with it.
  '@bufbuild/protobuf': ['proto/gen', 'runtime/rpc'],
}

const FORBIDDEN_NAMES = /(?:^|\/)(?:utils?|helpers?|common|misc|index|shared|stuff)\.tsx?$/
const FORBIDDEN_FOLDERS = /(?:^|\/)(?:utils?|helpers?|common|misc)\//

export function findLayerViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const layer = file.path.split('/')[0] ?? ''
    const rule = LAYERS[layer]
    if (rule === undefined) return [`${file.path}: folder ${layer}/ has no row in the import table`]
    return file.imports.flatMap((item) => {
      const { specifier, path } = item
      if (path !== undefined) {
        const target = path.split('/')[0] ?? ''
        // The page may take types of core and nothing that runs.
        const allowed =
          rule.folders.includes(target) && (layer !== 'ui' || target !== 'core' || item.typeOnly)
        return allowed ? [] : [`${file.path}: ${layer}/ may not import ${path}`]
      }
      if (specifier.startsWith('node:')) {
        return rule.node ? [] : [`${file.path}: ${layer}/ may not import ${specifier}`]
      }
      const name = packageOf(specifier)
      const allowed = rule.packages === 'any' || rule.packages.includes(name)
      return allowed ? [] : [`${file.path}: ${layer}/ may not import package ${name}`]
    })
  })
}

/** A package is wrapped by one folder, so that it can be replaced in a day. */
export function findScatteredPackages(files: readonly SourceFile[]): readonly string[] {
  const users = new Map<string, Set<string>>()
  for (const file of files) {
    if (file.path.startsWith('test/') || file.path.startsWith('bench/')) continue
    for (const { specifier, path } of file.imports) {
      if (path !== undefined || specifier.startsWith('node:')) continue
      const name = packageOf(specifier)
      const folders = users.get(name) ?? new Set()
      users.set(name, folders.add(folderOf(file.path)))
    }
  }
  return [...users].flatMap(([name, folders]) => {
    const shared = SHARED_PACKAGES[name]
    const outside = shared === undefined ? [] : [...folders].filter((f) => !shared.includes(f))
    const isScattered = shared === undefined ? folders.size > 1 : outside.length > 0
    return isScattered ? [`package ${name} is imported by ${[...folders].sort().join(', ')}`] : []
  })
}

/** Cycles of imports that exist at run time (types are erased). */
export function findCycles(files: readonly SourceFile[]): readonly string[] {
  const edges = new Map(
    files.map((file) => [
      file.path,
      file.imports.flatMap((item) => (item.typeOnly || item.path === undefined ? [] : [item.path])),
    ]),
  )
  const state = new Map<string, 'open' | 'done'>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    state.set(path, 'open')
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}

export function findForbiddenNames(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path }) =>
    FORBIDDEN_NAMES.test(path) || FORBIDDEN_FOLDERS.test(path)
      ? [`${path}: name the file for what it holds`]
      : [],
  )
}

/** A file that only passes on what others define: import the file that defines the thing. */
export function findBarrels(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) =>
    /^export\s+\*\s+from/m.test(text) ? [`${path}: re-exports a whole module`] : [],
  )
}
