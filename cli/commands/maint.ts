/**
 * `fairlead maint`: maintenance mode of a node or a service (cli.md section 7).
 */

import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CliContext, type CommandSpec, flag, toggle, UsageError } from '../command.ts'

interface CheckAnswer {
  readonly CheckID: string
  readonly ServiceID: string
  readonly Notes: string
}

const NODE_CHECK = '_node_maintenance'
const SERVICE_CHECK = '_service_maintenance:'

export const maintCommand: CommandSpec = {
  summary:
    'Take this node, or a service of it, out of service, or back; without flags, list what is out',
  usage: '',
  flags: [
    toggle('enable', 'take out of service'),
    toggle('disable', 'put back into service'),
    flag('reason', 'text', 'why; shown wherever the maintenance is'),
    flag('service', 'id', 'a service instead of the node'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const isEnabling = args.bool('enable')
    const isDisabling = args.bool('disable')
    const service = args.text('service')
    if (isEnabling && isDisabling) {
      throw new UsageError('Only one of -enable or -disable may be provided')
    }
    if (!isEnabling && args.has('reason')) {
      throw new UsageError('Reason may only be provided with -enable')
    }
    if (!isEnabling && !isDisabling && service !== undefined) {
      throw new UsageError('Service requires either -enable or -disable')
    }
    const client = new ApiClient(args, context)
    if (!isEnabling && !isDisabling) return await list(client, context)
    const path =
      service === undefined
        ? '/v1/agent/maintenance'
        : `/v1/agent/service/maintenance/${encodeURIComponent(service)}`
    await client.put(path, { query: { enable: String(isEnabling), reason: args.text('reason') } })
    const state = isEnabling ? 'enabled' : 'disabled'
    context.stdout(
      service === undefined
        ? `Node maintenance is now ${state}\n`
        : `Service maintenance is now ${state} for "${service}"\n`,
    )
    return 0
  },
}

async function list(client: ApiClient, context: CliContext): Promise<number> {
  const self = (await client.get('/v1/agent/self')).json() as { Config: { NodeName: string } }
  const checks = (await client.get('/v1/agent/checks')).json()
  for (const check of Object.values(checks as Readonly<Record<string, CheckAnswer>>)) {
    if (check.CheckID === NODE_CHECK) {
      context.stdout(`Node:\n  Name:   ${self.Config.NodeName}\n  Reason: ${check.Notes}\n\n`)
    } else if (check.CheckID.startsWith(SERVICE_CHECK)) {
      context.stdout(`Service:\n  ID:     ${check.ServiceID}\n  Reason: ${check.Notes}\n\n`)
    }
  }
  return 0
}
