/**
 * The story of the demo: two services that have never heard of a mesh find and call each other through it.
 *
 * Every claim is checked as it is told; the first that does not hold ends the story with an error.
 */

import { Resolver } from 'node:dns/promises'
import type { Narrator } from './narrator.ts'
import { type Running, type Stage, until } from './stage.ts'

const CALLS = 20
const CALLS_AFTER_KILL = 50

export interface Cast {
  readonly cart: Running
  readonly payments: readonly Running[]
}

interface Paid {
  readonly status: number
  readonly body: string
}

interface HealthEntry {
  readonly Service: { readonly ID: string; readonly Port: number }
  readonly Checks: readonly {
    readonly Name: string
    readonly Status: string
    readonly Output: string
  }[]
}

export async function tellStory(stage: Stage, say: Narrator): Promise<Cast> {
  const api = `http://127.0.0.1:${stage.agent.http}`
  say.step('An agent starts: server, HTTP API, DNS and mesh in one process')
  say.asked('fairlead agent -dev')
  say.answered(`HTTP API  ${api}\nDNS       127.0.0.1:${stage.agent.dns}`)
  const leader = await getJson<string>(`${api}/v1/status/leader`)
  say.check(leader !== '', `ready in ${stage.agent.ms} ms, led by ${leader}`)

  const cast = await startCast(stage, say)
  await register(api, cast, say)
  await lookUp(stage, say)
  await callThroughMesh(stage, cast, say)
  await denyAndAllow(api, cast, say)
  await killOne(api, stage, cast, say)
  return cast
}

async function startCast(stage: Stage, say: Narrator): Promise<Cast> {
  say.step('Three plain HTTP services start; none knows of a mesh')
  const dns = `127.0.0.1:${stage.agent.dns}`
  const [first, second, cart] = await Promise.all([
    stage.startService('payments-1', 'payments.ts', 'payments-1'),
    stage.startService('payments-2', 'payments.ts', 'payments-2'),
    stage.startService('cart', 'cart.ts', dns, String(stage.virtualPort)),
  ])
  for (const { name, port, pid } of [first, second, cart]) {
    say.answered(`${name.padEnd(10)}  http://127.0.0.1:${port}  (process ${pid})`)
  }
  return { cart, payments: [first, second] }
}

async function register(api: string, cast: Cast, say: Narrator): Promise<void> {
  say.step('They are registered, each with a health check and a place in the mesh')
  for (const service of [...cast.payments, cast.cart]) {
    const isCart = service === cast.cart
    const body = {
      ID: service.name,
      Name: isCart ? 'cart' : 'payments',
      Address: '127.0.0.1',
      Port: service.port,
      Connect: { SidecarService: {} },
      Check: {
        Name: 'HTTP on /health',
        HTTP: `http://127.0.0.1:${service.port}/health`,
        Interval: '1s',
        Timeout: '1s',
      },
    }
    say.asked(
      `PUT /v1/agent/service/register  ${JSON.stringify({ ID: body.ID, Name: body.Name, Port: body.Port })}`,
    )
    await put(`${api}/v1/agent/service/register`, body)
  }
  const healthy = await until('all instances are healthy', async () => {
    const entries = await health(api, 'payments', true)
    const inMesh = await getJson<readonly unknown[]>(`${api}/v1/health/connect/payments?passing`)
    const carts = await getJson<readonly unknown[]>(`${api}/v1/health/connect/cart?passing`)
    return entries.length === 2 && inMesh.length === 2 && carts.length === 1 ? entries : undefined
  })
  say.asked('GET /v1/health/service/payments?passing')
  for (const { Service, Checks } of healthy) {
    const states = Checks.map((check) => `${check.Name}: ${check.Status}`).join(', ')
    say.answered(`${Service.ID}  port ${Service.Port}  ${states}`)
  }
  say.check(true, 'both instances of payments are registered and healthy')
}

async function lookUp(stage: Stage, say: Narrator): Promise<void> {
  say.step('DNS finds them')
  const resolver = new Resolver()
  resolver.setServers([`127.0.0.1:${stage.agent.dns}`])
  const records = await until('DNS answers with both instances', async () => {
    const found = await resolver.resolveSrv('payments.service.consul')
    return found.length === 2 ? found : undefined
  })
  say.asked(`dig @127.0.0.1 -p ${stage.agent.dns} payments.service.consul SRV`)
  for (const { name, port } of records) say.answered(`${name}  port ${port}`)
  const addresses = await until('the mesh address is known', async () => {
    return await resolver.resolve4('payments.virtual.consul')
  })
  say.asked(`dig @127.0.0.1 -p ${stage.agent.dns} payments.virtual.consul`)
  say.answered(addresses.join('\n'))
  say.check(
    /^127\.(?:12[89]|1[3-9]\d|2\d\d)\./.test(addresses[0] ?? ''),
    'payments has one stable loopback address in the mesh of this host',
  )
}

async function callThroughMesh(stage: Stage, cast: Cast, say: Narrator): Promise<void> {
  say.step('cart pays: an ordinary call to an ordinary URL, carried by mutual TLS')
  const port = stage.virtualPort === 80 ? '' : `:${stage.virtualPort}`
  say.asked(`cart: GET http://payments.virtual.consul${port}/make-payment`)
  const seen = new Map<string, Paid>()
  const first = await until('both instances have been paid through', async () => {
    const paid = await checkout(cast)
    if (paid.status !== 200) throw new Error(`${paid.status} ${paid.body}`)
    seen.set(payer(paid), paid)
    return seen.size === 2 ? [...seen.values()][0] : undefined
  })
  say.answered(first.body)
  const counts = new Map<string, number>()
  for (let i = 0; i < CALLS; i++) {
    const paid = await checkout(cast)
    if (paid.status !== 200) throw new Error(`call ${i + 1} got ${paid.status}: ${paid.body}`)
    counts.set(payer(paid), (counts.get(payer(paid)) ?? 0) + 1)
  }
  const spread = [...counts].sort().map(([name, count]) => `${name}: ${count}`)
  say.answered(`${CALLS} more calls → ${spread.join(', ')}`)
  say.check(counts.size === 2, 'the calls are spread over both instances')
}

async function denyAndAllow(api: string, cast: Cast, say: Narrator): Promise<void> {
  const exact = '/v1/connect/intentions/exact?source=cart&destination=payments'
  say.step('An intention forbids it: cart may not call payments')
  say.asked('fairlead intention create -deny cart payments')
  await put(`${api}${exact}`, { Action: 'deny' })
  const denied = await until('the call is refused', async () => {
    const paid = await checkout(cast)
    return paid.status === 200 ? undefined : paid
  })
  say.asked('cart: GET http://payments.virtual.consul/make-payment')
  say.answered(`${denied.status} ${denied.body}`)
  say.check(denied.status === 403, 'payments refuses cart by the certificate it shows')

  say.step('And allows it again')
  say.asked('fairlead intention create -allow -replace cart payments')
  await put(`${api}${exact}`, { Action: 'allow' })
  const allowed = await until('the call succeeds again', async () => {
    const paid = await checkout(cast)
    return paid.status === 200 ? paid : undefined
  })
  say.answered(`${allowed.status} ${allowed.body}`)
  say.check(true, 'cart pays again')
}

async function killOne(api: string, stage: Stage, cast: Cast, say: Narrator): Promise<void> {
  const [victim] = cast.payments
  if (victim === undefined) throw new Error('there are no payments')
  say.step(`${victim.name} dies`)
  say.asked(`kill -9 ${victim.pid}`)
  await stage.kill(victim)
  const critical = await until('its check turns critical', async () => {
    const entries = await health(api, 'payments', false)
    const entry = entries.find(({ Service }) => Service.ID === victim.name)
    return entry?.Checks.find((check) => check.Status === 'critical')
  })
  say.asked('GET /v1/health/service/payments')
  say.answered(`${victim.name}  ${critical.Name}: critical\n${critical.Output.slice(0, 100)}`)
  await until('the catalog leaves it out', async () => {
    return (await health(api, 'payments', true)).length === 1 ? true : undefined
  })
  const failures: string[] = []
  const served = new Set<string>()
  for (let i = 0; i < CALLS_AFTER_KILL; i++) {
    const paid = await checkout(cast)
    if (paid.status === 200) served.add(payer(paid))
    else failures.push(`${paid.status} ${paid.body}`)
  }
  say.answered(
    `${CALLS_AFTER_KILL} calls → ${CALLS_AFTER_KILL - failures.length} paid by ${[...served].join(', ')}`,
  )
  if (failures.length > 0) throw new Error(`${failures.length} calls failed: ${failures[0]}`)
  say.check(!served.has(victim.name), 'no call fails from then on')
}

async function checkout(cast: Cast): Promise<Paid> {
  return await getJson<Paid>(`http://127.0.0.1:${cast.cart.port}/checkout`)
}

/** Which instance took the payment. */
function payer(paid: Paid): string {
  return (JSON.parse(paid.body) as { by: string }).by
}

async function health(
  api: string,
  service: string,
  passing: boolean,
): Promise<readonly HealthEntry[]> {
  return await getJson(`${api}/v1/health/service/${service}${passing ? '?passing' : ''}`)
}

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`GET ${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}

async function put(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, { method: 'PUT', body: JSON.stringify(body) })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`PUT ${url}: ${response.status} ${text}`)
}
