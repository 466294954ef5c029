/**
 * `fairlead snapshot inspect` and `decode`: what a snapshot file holds (cli.md section 11).
 *
 * Local commands: they ask no agent. A file is proven whole before anything of it is printed.
 */

import { decodeJsonText } from '../../core/catalog/json-codec.ts'
import type { KvEntry } from '../../core/catalog/types.ts'
import { formatPairs, formatTable } from '../../runtime/terminal/table.ts'
import { type Arguments, type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'
import { proveSnapshot, readSnapshot } from '../snapshot-file.ts'
import { oneFile } from './snapshot.ts'

interface Count {
  readonly Name: string
  Sum: number
  Count: number
}

const KV_DEPTH_DEFAULT = 2

export const snapshotInspectCommand: CommandSpec = {
  summary: 'Show what a snapshot file holds',
  usage: 'FILE',
  flags: [
    toggle('kvdetails', 'sizes of keys by prefix'),
    flag('kvdepth', 'count', `parts of a key that make a prefix (default: ${KV_DEPTH_DEFAULT})`),
    flag('kvfilter', 'prefix', 'only keys with this prefix'),
    formatFlag,
  ],
  run: async (args, context) => {
    const file = oneFile(args.positionals)
    const json = isJson(args)
    const keys = keyCounter(args)
    const kinds = new Map<string, Count>()
    const meta = await readSnapshot(file, (record, sizeBytes) => {
      const kind = kindOf(record)
      if (kind === 'end' || kind === 'meta') return
      add(kinds, kind, sizeBytes)
      if (kind === 'kv') keys?.take(record, sizeBytes)
    })
    const stats = bySize(kinds)
    const keyStats = keys === undefined ? undefined : bySize(keys.counts)
    const { ID, Size, Index, Term, Version } = meta
    if (json) {
      return printJson(context, {
        Meta: { ID, Size, Index, Term, Version },
        Stats: stats,
        TotalSize: totalOf(stats),
        ...(keyStats === undefined ? {} : { StatsKV: keyStats, TotalSizeKV: totalOf(keyStats) }),
      })
    }
    const facts = { ID, Size, Index, Term, Version }
    const head = formatPairs(Object.entries(facts).map(([name, fact]) => [name, String(fact)]))
    context.stdout(`${head}\n${statsTable('Type', stats)}`)
    if (keyStats !== undefined) context.stdout(`\n${statsTable('Key Name', keyStats)}`)
    return 0
  },
}

export const snapshotDecodeCommand: CommandSpec = {
  summary: 'Print every record of a snapshot file as a line of JSON, secrets included',
  usage: 'FILE',
  flags: [],
  run: async (args, context) => {
    const file = oneFile(args.positionals)
    await proveSnapshot(file)
    await readSnapshot(file, (record) => {
      const kind = kindOf(record)
      if (kind === 'end') return
      context.stdout(`{"Type":"${kind}","Data":${record.slice(kind.length + 4, -1)}}\n`)
    })
    return 0
  },
}

/** The word that a record begins with; written by fairlead, so only letters and dashes. */
function kindOf(record: string): string {
  return /^\["([a-z-]{1,40})",/.exec(record)?.[1] ?? 'unknown'
}

function keyCounter(
  args: Arguments,
):
  | { readonly counts: Map<string, Count>; take(record: string, sizeBytes: number): void }
  | undefined {
  const given = args.text('kvdepth') ?? String(KV_DEPTH_DEFAULT)
  const depth = Number(given)
  if (!Number.isSafeInteger(depth) || depth < 1) {
    throw new UsageError(`-kvdepth takes a number of at least 1, got "${given}"`)
  }
  if (!args.bool('kvdetails')) return undefined
  const filter = args.text('kvfilter') ?? ''
  const counts = new Map<string, Count>()
  return {
    counts,
    take: (record, sizeBytes) => {
      const [, entry] = decodeJsonText(record) as [string, KvEntry]
      if (!entry.key.startsWith(filter)) return
      add(counts, entry.key.split('/').slice(0, depth).join('/'), sizeBytes)
    },
  }
}

function add(counts: Map<string, Count>, name: string, sizeBytes: number): void {
  const count = counts.get(name) ?? { Name: name, Sum: 0, Count: 0 }
  counts.set(name, count)
  count.Sum += sizeBytes
  count.Count += 1
}

function bySize(counts: ReadonlyMap<string, Count>): readonly Count[] {
  return [...counts.values()].sort((a, b) => b.Sum - a.Sum || (a.Name < b.Name ? -1 : 1))
}

function totalOf(counts: readonly Count[]): number {
  return counts.reduce((sum, count) => sum + count.Sum, 0)
}

function statsTable(title: string, counts: readonly Count[]): string {
  const rule = ['----', '----', '----']
  const rows = counts.map(({ Name, Count, Sum }) => [Name, String(Count), sizeText(Sum)])
  const total = ['Total', '', sizeText(totalOf(counts))]
  return formatTable([[title, 'Count', 'Size'], rule, ...rows, rule, total])
}

function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)}KB`
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)}MB`
  return `${(bytes / 1024 ** 3).toFixed(1)}GB`
}
