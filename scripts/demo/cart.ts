/**
 * A small real service of the demo: `/checkout` pays by calling `http://payments.virtual.consul/make-payment`.
 *
 * An ordinary HTTP client with an ordinary URL. The one liberty: it asks the agent's DNS directly, where a
 * host that runs fairlead would have the agent among its resolvers. Usage: cart.ts <dns ip:port> <port>.
 */

import { Resolver } from 'node:dns/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

const [dnsServer = '', port = '80'] = process.argv.slice(2)
const HOST = 'payments.virtual.consul'
const CALL_TIMEOUT_MS = 5_000

const resolver = new Resolver()
resolver.setServers([dnsServer])

async function pay(): Promise<{ readonly status: number; readonly body: string }> {
  const [address] = await resolver.resolve4(HOST)
  return await new Promise((resolve, reject) => {
    const options = {
      host: address,
      port: Number(port),
      path: '/make-payment',
      headers: { host: HOST },
      timeout: CALL_TIMEOUT_MS,
    }
    const call = request(options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error('no answer in time')))
    call.on('error', reject)
    call.end()
  })
}

const server = createServer(async (incoming, response) => {
  if (incoming.url !== '/checkout') {
    response.end('ok\n')
    return
  }
  response.setHeader('content-type', 'application/json')
  try {
    response.end(JSON.stringify(await pay()))
  } catch (err) {
    response.end(JSON.stringify({ status: 0, body: (err as Error).message }))
  }
})

server.listen(0, '127.0.0.1', () => {
  console.log(`listening ${(server.address() as AddressInfo).port}`)
})
process.stdin.resume().on('end', () => process.exit(0))
