/**
 * `fairlead members`: who is in the cluster (cli.md section 3). Exit code 2 when nothing matches.
 */

import { formatStyledTable, type Tint } from '../../runtime/terminal/styled-table.ts'
import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, flag, toggle, UsageError } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface MemberAnswer {
  readonly Name: string
  readonly Addr: string
  readonly Port: number
  readonly Tags: Readonly<Record<string, string>>
  readonly Status: number
}

const STATUS = ['none', 'alive', 'leaving', 'left', 'failed']

/** A status pattern runs in this process against five words: length is the only bound it needs. */
const PATTERN_LENGTH_MAX = 200

const EXIT_NOTHING = 2

const STATUS_COLUMN = 2

function statusTint(cell: string, column: number): Tint | undefined {
  if (column !== STATUS_COLUMN) return undefined
  if (cell === 'alive') return 'good'
  return cell === 'failed' ? 'bad' : 'warning'
}

export const membersCommand: CommandSpec = {
  summary: 'List the members of the cluster',
  usage: '',
  flags: [
    toggle('detailed', 'show every tag'),
    toggle('wan', 'list the servers of all datacenters'),
    flag('status', 'regex', 'only members with a matching status (default: .*)'),
    flag('segment', 'name', 'accepted for compatibility'),
    flag('filter', 'expression', 'only members that the expression selects'),
    formatFlag,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const pattern = statusPattern(args.text('status') ?? '.*')
    const wantsJson = isJson(args)
    const client = new ApiClient(args, context)
    const answer = await client.get('/v1/agent/members', {
      query: { wan: args.bool('wan') ? '1' : undefined, filter: args.text('filter') },
    })
    const members = (answer.json() as readonly MemberAnswer[])
      .filter((member) => pattern.test(statusOf(member)))
      .toSorted(byRoleThenName)
    if (wantsJson) printJson(context, members)
    if (members.length === 0) return EXIT_NOTHING
    if (wantsJson) return 0
    const rows = args.bool('detailed') ? detailed(members) : standard(members)
    context.stdout(context.colour ? formatStyledTable(rows, statusTint) : formatTable(rows))
    return 0
  },
}

function statusPattern(text: string): RegExp {
  if (text.length > PATTERN_LENGTH_MAX) throw new UsageError('-status is too long')
  try {
    return new RegExp(`^(?:${text})$`)
  } catch (err) {
    throw new UsageError(`Failed to compile status regexp: ${(err as Error).message}`)
  }
}

function statusOf(member: MemberAnswer): string {
  return STATUS[member.Status] ?? 'none'
}

function roleOf(member: MemberAnswer): string {
  const role = member.Tags['role']
  if (role === 'consul') return 'server'
  return role === 'node' ? 'client' : 'unknown'
}

function byRoleThenName(a: MemberAnswer, b: MemberAnswer): number {
  const rank = (member: MemberAnswer): number => (roleOf(member) === 'server' ? 0 : 1)
  return rank(a) - rank(b) || compareText(a.Name, b.Name)
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function address(member: MemberAnswer): string {
  const host = member.Addr.includes(':') ? `[${member.Addr}]` : member.Addr
  return `${host}:${member.Port}`
}

function standard(members: readonly MemberAnswer[]): readonly (readonly string[])[] {
  const header = [
    'Node',
    'Address',
    'Status',
    'Type',
    'Build',
    'Protocol',
    'DC',
    'Partition',
    'Segment',
  ]
  return [
    header,
    ...members.map((member) => {
      const tags = member.Tags
      const role = roleOf(member)
      return [
        member.Name,
        address(member),
        statusOf(member),
        role,
        tags['build']?.split(':')[0] ?? '',
        tags['vsn'] ?? '',
        tags['dc'] ?? '',
        tags['ap'] ?? 'default',
        role === 'server' ? '<all>' : (tags['segment'] ?? '') || '<default>',
      ]
    }),
  ]
}

function detailed(members: readonly MemberAnswer[]): readonly (readonly string[])[] {
  return [
    ['Node', 'Address', 'Status', 'Tags'],
    ...members.map((member) => {
      const tags = Object.entries(member.Tags).map(([name, value]) => `${name}=${value}`)
      return [member.Name, address(member), statusOf(member), tags.sort().join(',')]
    }),
  ]
}
