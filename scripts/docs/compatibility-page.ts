/**
 * docs/reference/compatibility.md: each endpoint, question, key and command of Consul, and what becomes of it here.
 *
 * What works is read from the tables that the program itself uses; Consul's side is in consul/, differences that no
 * table knows are in differences.ts.
 */

import { handlerOf } from '../../agent/http/route.ts'
import { ROUTES } from '../../agent/http/routes.ts'
import type { CommandNode, CommandTree } from '../../cli/command-node.ts'
import { COMMANDS } from '../../cli/command-tree.ts'
import { DROPPED, RENAMED } from '../../core/config/deprecated.ts'
import { type KeyLeaf, leaves } from '../../core/config/key-table.ts'
import { KEYS } from '../../core/config/keys.ts'
import { DNS_FORMS, type DnsForm } from '../../core/dns/forms.ts'
import { CONSUL_COMMANDS } from './consul/commands.ts'
import { CONSUL_ENDPOINTS } from './consul/endpoints.ts'
import { CONSUL_KEYS } from './consul/keys.ts'
import {
  COMMAND_DIFFERENCES,
  ENDPOINT_DIFFERENCES,
  KEY_DIFFERENCES,
  MISSING_ENDPOINTS,
} from './differences.ts'
import { code, GENERATED, table } from './markdown.ts'

type Status = 'works' | 'differs' | 'not supported'

export interface CompatibilityRow {
  readonly name: string
  readonly status: Status
  /** How it differs, or what the user gets instead; '' where it works. */
  readonly note: string
}

export function compatibilityPage(): string {
  const endpoints = endpointRows()
  const forms = DNS_FORMS.map(formRow)
  const keys = keyRows()
  const commands = commandRows()
  const summary = [
    ['[HTTP endpoints](#http-endpoints)', endpoints],
    ['[DNS questions](#dns-questions)', forms],
    ['[Configuration keys](#configuration-keys)', keys],
    ['[Commands](#commands)', commands],
  ] as const
  return `# Compatibility with Consul

${GENERATED}

Fairlead speaks the formats of Consul 1.21, community edition. This page has a row for each of its HTTP endpoints,
DNS questions, configuration keys and commands: works, differs (and how), or not supported (and what there is instead).
Nothing is left out in silence: an endpoint that is missing answers 501 with a text that says so, a key of no effect is named
in a warning, a command that is missing says what to use in its place.

${table(
  ['', 'Works', 'Differs', 'Not supported'],
  summary.map(([title, rows]) => [title, ...counts(rows)]),
)}

Not compatible by design: the protocols between agents (gossip, RPC, Raft) and the format of snapshots are Fairlead's own, so
one datacenter is run by one of the two programs.

## HTTP endpoints

A path that ends in \`/\` takes a name after it. What each does: [HTTP API](http-api.md).

${rowsTable('Endpoint', endpoints)}

## DNS questions

\`D\` is the domain. What each answers: [DNS](dns.md).

${rowsTable('Name', forms)}

## Configuration keys

What each means: [Configuration](configuration.md). Enterprise features of Consul have no effect there either.

${rowsTable('Key', keys)}

## Commands

Flags, columns and exit codes are Consul's unless a row says otherwise. What each takes: [Command line](cli.md).

${rowsTable('Command', commands)}
`
}

function counts(rows: readonly CompatibilityRow[]): readonly string[] {
  const count = (status: Status): string =>
    String(rows.filter((row) => row.status === status).length)
  return [count('works'), count('differs'), count('not supported')]
}

function rowsTable(title: string, rows: readonly CompatibilityRow[]): string {
  return table(
    [title, '', 'How it differs, or what there is instead'],
    rows.map(({ name, status, note }) => [name, status, note]),
  )
}

function row(name: string, status: Status, note: string): CompatibilityRow {
  return { name: code(name), status, note }
}

export function endpointRows(): readonly CompatibilityRow[] {
  return CONSUL_ENDPOINTS.map(([path, methods]) => {
    const name = `${methods.replaceAll(' ', ', ')} ${path}`
    const route = ROUTES.find((candidate) => candidate.path === path)
    if (route === undefined) return row(name, 'not supported', '404')
    if (route.unsupported === true) {
      const instead = MISSING_ENDPOINTS.find(([prefix]) => path.startsWith(prefix))?.[1]
      return row(name, 'not supported', instead ?? '501')
    }
    const missing = methods.split(' ').filter((method) => handlerOf(route, method) === undefined)
    if (missing.length > 0) return row(name, 'differs', `Without ${missing.join(', ')}: 405`)
    const difference = ENDPOINT_DIFFERENCES[path]
    return row(name, difference === undefined ? 'works' : 'differs', difference ?? '')
  })
}

function formRow({ form, status, note = '' }: DnsForm): CompatibilityRow {
  // A note on what works is a difference that hardly anybody meets, but one.
  return row(form, status === 'unsupported' ? 'not supported' : status, note)
}

export function keyRows(): readonly CompatibilityRow[] {
  const known = new Map(leaves(KEYS))
  return CONSUL_KEYS.map((key) => {
    const current = RENAMED.get(key)
    if (DROPPED.has(key))
      return row(key, 'works', 'An old key of no effect, in Consul too; a warning says so')
    const leaf = known.get(current ?? key)
    if (leaf === undefined) return row(key, 'not supported', 'An unknown key: stops the start')
    const found = leafRow(key, leaf)
    if (current === undefined) return found
    const now = `An old name of ${code(current)}, with a warning`
    return { ...found, note: found.note === '' ? now : `${now}. ${found.note}` }
  })
}

function leafRow(key: string, leaf: KeyLeaf): CompatibilityRow {
  const difference = KEY_DIFFERENCES[key] ?? ''
  switch (leaf.support) {
    case 'full':
      return row(key, difference === '' ? 'works' : 'differs', difference)
    case 'none':
      return row(key, 'not supported', `A warning at start. ${leaf.doc}`)
    case 'fixed':
      return row(
        key,
        'differs',
        `Of no effect; anything but ${code(leaf.default)} gets a warning. ${leaf.doc}`,
      )
    case 'ignored':
      return row(key, 'works', `Nothing to do: ${leaf.doc}`)
  }
}

export function commandRows(): readonly CompatibilityRow[] {
  return CONSUL_COMMANDS.map((words) => {
    const node = commandNode(words.split(' '))
    if (node === undefined) return row(words, 'not supported', 'Unknown: exit code 127')
    if (node.kind === 'unsupported') return row(words, 'not supported', `Says: ${node.instead}`)
    const difference = COMMAND_DIFFERENCES[words]
    return row(words, difference === undefined ? 'works' : 'differs', difference ?? '')
  })
}

/** A command, or the missing one or missing group above it. */
function commandNode(words: readonly string[]): CommandNode | undefined {
  let tree: CommandTree = COMMANDS
  for (const word of words) {
    const node = Object.hasOwn(tree, word) ? tree[word] : undefined
    if (node === undefined || node.kind !== 'group') return node
    tree = node.children
  }
  return undefined
}
