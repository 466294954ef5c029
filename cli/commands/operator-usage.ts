/**
 * `fairlead operator usage instances`: how many services, instances and nodes there are (cli.md section 10).
 */

import { formatTable } from '../../runtime/terminal/table.ts'
import { API_FLAGS, ApiClient, SERVER_FLAGS } from '../api-client.ts'
import { type CommandSpec, toggle } from '../command.ts'
import { formatFlag, isJson, printJson } from '../json-output.ts'

interface UsageAnswer {
  readonly Services: number
  readonly ServiceInstances: number
  readonly ConnectServiceInstances: Readonly<Record<string, number>>
  readonly BillableServiceInstances: number
  readonly Nodes: number
}

export const usageInstancesCommand: CommandSpec = {
  summary: 'Count services, their instances and nodes',
  usage: '',
  flags: [
    toggle('billable', 'only what counts as a service of its own: no proxies, no servers'),
    toggle('connect', 'only instances that take part in the mesh'),
    toggle('all-datacenters', 'of every datacenter; this version has one'),
    formatFlag,
    ...SERVER_FLAGS,
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const answer = await new ApiClient(args, context).get('/v1/operator/usage', {
      query: { global: args.bool('all-datacenters') ? '' : undefined },
    })
    if (isJson(args)) return printJson(context, answer.json())
    const { Usage } = answer.json() as { readonly Usage: Readonly<Record<string, UsageAnswer>> }
    const onlyBillable = args.bool('billable')
    const onlyConnect = args.bool('connect')
    const parts: string[] = []
    if (!onlyConnect) {
      const total = Object.values(Usage).reduce((sum, one) => sum + one.BillableServiceInstances, 0)
      parts.push(`Billable Service Instances Total: ${total}\n`)
    }
    for (const [datacenter, usage] of Object.entries(Usage)) {
      if (!onlyConnect && !onlyBillable) parts.push(servicesTable(usage), nodesTable(usage))
      if (onlyBillable) parts.push(`${datacenter}: ${usage.BillableServiceInstances}\n`)
      if (!onlyBillable) parts.push(connectTable(usage))
    }
    context.stdout(parts.join('\n'))
    return 0
  },
}

function servicesTable({ Services, ServiceInstances }: UsageAnswer): string {
  return formatTable([
    ['Services', 'Service instances'],
    [String(Services), String(ServiceInstances)],
  ])
}

function nodesTable({ Nodes }: UsageAnswer): string {
  return formatTable([['Nodes'], [String(Nodes)]])
}

function connectTable({ ConnectServiceInstances }: UsageAnswer): string {
  const rows = Object.entries(ConnectServiceInstances).map(([kind, count]) => [kind, String(count)])
  return `Connect Services\n${formatTable([['Type', 'Service instances'], ...rows])}`
}
