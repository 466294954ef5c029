/**
 * `fairlead proxy status`: who serves the sidecars of this host, and what was refused, with what to do about it.
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import type { CommandSpec } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface SidecarAnswer {
  readonly ID: string
  readonly Service: string
  readonly DataPlane: string
  readonly Program: string
  readonly State: string
  readonly Rejections: readonly {
    readonly Resources: readonly string[]
    readonly Reason: string
    readonly Fix: string
  }[]
}

export const proxyStatusCommand: CommandSpec = {
  summary: 'Show who serves the sidecars of this host, and what was refused',
  usage: '',
  flags: [formatFlag, ...API_FLAGS],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/fairlead/v1/sidecars')
    if (isJson(args)) return printJson(context, answer.json())
    const sidecars = answer.json() as readonly SidecarAnswer[]
    if (sidecars.length === 0) {
      context.stderr('There are no sidecars on this host.\n')
      return 0
    }
    const rows = sidecars.map(({ ID, Service, DataPlane, Program, State }) => [
      ID,
      Service,
      Program === '' ? DataPlane || '-' : Program,
      State,
    ])
    context.stdout(formatTable([['Sidecar', 'Service', 'Served by', 'State'], ...rows]))
    for (const { ID, Rejections } of sidecars) {
      for (const { Resources, Reason, Fix } of Rejections) {
        context.stdout(`\n${ID} refused ${Resources.join(', ')}: ${Reason}\n    fix: ${Fix}\n`)
      }
    }
    return 0
  },
}
