/**
 * Plain HTTP services of simulated hosts, and their registration with a sidecar at the agents of these hosts.
 *
 * Each answers with the name of its host, so that a caller knows which instance was picked for it.
 */

import { Resolver } from 'node:dns/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from '../cluster/members.ts'
import type { FleetAgent } from './clients.ts'

export interface App extends AsyncDisposable {
  readonly port: number
}

export async function startApp(host: string): Promise<App> {
  const server = createServer((_request, response) => void response.end(host))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: () => closed(server) }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

/** A service with a TTL check, and a sidecar that is as healthy as it is. */
export async function registerMeshed(
  { url }: FleetAgent,
  service: { readonly name: string; readonly port: number; readonly status?: string },
): Promise<void> {
  const { name, port, status = 'passing' } = service
  await put(`${url}/v1/agent/service/register`, {
    Name: name,
    ID: name,
    Port: port,
    Check: { CheckID: name, TTL: '1h', Status: status },
    Connect: { SidecarService: { Checks: [{ Name: `${name} lives`, AliasService: name }] } },
  })
}

export async function put(url: string, body: unknown = ''): Promise<void> {
  const response = await fetch(url, {
    method: 'PUT',
    body: body === '' ? '' : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
}

/** Where this host's proxy listens for a service, as its agent's DNS says. */
export async function sharedAddress({ dns, name }: FleetAgent, service: string): Promise<string> {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${dns}`])
  return await until(`the address of ${service} at ${name}`, async () => {
    try {
      return (await resolver.resolve4(`${service}.virtual.consul`))[0]
    } catch {
      return undefined // not in the agent's view yet
    }
  })
}
