/**
 * An agent's end of a proxy's control socket, for tests that say themselves what it sends.
 */

import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { AgentToProxy, ProxyToAgent } from '../../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../../core/mesh/proxy-snapshot.ts'
import { eventually } from './mesh-fixture.ts'

export class TestAgent {
  readonly socket: Socket
  readonly messages: ProxyToAgent[] = []
  closed = false

  constructor(path: string) {
    this.socket = connect({ path })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
    const lines = createInterface({ input: this.socket })
    lines.on('error', () => {})
    lines.on('line', (line) => void this.messages.push(JSON.parse(line) as ProxyToAgent))
  }

  send(message: AgentToProxy): void {
    this.socket.write(`${JSON.stringify(message)}\n`)
  }

  async next<K extends ProxyToAgent['kind']>(kind: K): Promise<Extract<ProxyToAgent, { kind: K }>> {
    const find = (): number => this.messages.findIndex((message) => message.kind === kind)
    await eventually(() => find() >= 0, `a message of kind ${kind}`)
    const [found] = this.messages.splice(find(), 1)
    return found as Extract<ProxyToAgent, { kind: K }>
  }

  async configure(snapshot: ProxySnapshot): Promise<Extract<ProxyToAgent, { kind: 'configured' }>> {
    this.send({ kind: 'configure', snapshot })
    return await this.next('configured')
  }
}
