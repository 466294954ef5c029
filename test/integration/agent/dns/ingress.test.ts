/**
 * Names below `.ingress`: gateways by their config entries, with wildcards, health and kind.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check, entry, service, VM_A, VM_B, WEB } from '../../../unit/core/dns/example-catalog.ts'
import { ask } from './dns-client.ts'
import { startServer } from './running-server.ts'
import type { StoreCatalog } from './store-catalog.ts'

function setGateway(catalog: StoreCatalog, name: string, ...services: readonly string[]): void {
  const Listeners = [
    { Port: 8888, Protocol: 'http', Services: services.map((each) => ({ Name: each })) },
  ]
  const body = { Kind: 'ingress-gateway', Name: name, Listeners }
  catalog.apply({ kind: 'config.set', entryKind: 'ingress-gateway', name, body })
}

describe('DNS of ingress gateways', () => {
  it('answers with the healthy gateways that expose the service', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    const gateway = { kind: 'ingress-gateway', port: 8888 } as const
    catalog.register(
      ...WEB,
      entry(VM_A, service(VM_A, 'edge', gateway)),
      entry(VM_B, service(VM_B, 'edge', { ...gateway, address: '10.0.9.9' })),
      entry(VM_A, service(VM_A, 'impostor', { port: 1 })),
      entry(VM_B, service(VM_B, 'wide', gateway)),
    )
    const a = async (name: string) => await ask(port, name, 'A')
    assert.equal((await a('web.ingress.consul')).rcode, 'NXDOMAIN')
    setGateway(catalog, 'edge', 'web')
    setGateway(catalog, 'impostor', 'web')
    assert.deepEqual((await a('Web.ingress.dc1.consul')).answers, [
      'Web.ingress.dc1.consul A 10.0.0.5',
      'Web.ingress.dc1.consul A 10.0.9.9',
    ])
    const srv = await ask(port, 'web.ingress.consul', 'SRV')
    assert.deepEqual(srv.answers, [
      'web.ingress.consul SRV 1 1 8888 0a000909.addr.dc1.consul',
      'web.ingress.consul SRV 1 1 8888 vm-a.node.dc1.consul',
    ])
    assert.equal((await a('ghost.ingress.consul')).rcode, 'NXDOMAIN')
    setGateway(catalog, 'wide', '*')
    assert.equal((await a('web.ingress.consul')).answers.length, 3)
    assert.equal((await a('ghost.ingress.consul')).rcode, 'NXDOMAIN')
    catalog.register(entry(VM_A, service(VM_A, 'edge', gateway), check(VM_A, 'critical')))
    assert.deepEqual((await a('web.ingress.consul')).answers, [
      'web.ingress.consul A 10.0.0.6',
      'web.ingress.consul A 10.0.9.9',
    ])
    assert.equal((await a('web.ingress.dc2.consul')).rcode, 'NXDOMAIN')
  })
})
