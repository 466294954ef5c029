/**
 * Hosts of their own on one machine: a network namespace each, joined by a bridge, with faults between them.
 *
 * The machine itself is on the bridge too: clients of the tests run there and no fault touches them, unless
 * told. Faults are rules of nftables in the receiver's namespace (there is no netem in every kernel) and a
 * token bucket for the rate. Source: verification 21. Everything is gone after dispose.
 */

import { spawn } from 'node:child_process'
import { commandEnvironment, sh } from './host-commands.ts'

export interface TestHost {
  readonly name: string
  readonly address: string
  /** What to put before a command so that it runs on this host. */
  readonly prefix: readonly [string, ...string[]]
}

/** Faults at the receiving end, by sender. */
interface Faults {
  /** Senders whose packets are dropped. */
  readonly dropped: Set<string>
  /** Percent of all packets of other hosts that are dropped. */
  lossPercent: number
  /** Of those, only these destination ports; empty for all. */
  readonly ports: Set<number>
}

/** Of this process so far. */
let networks = 0

export class TestNetwork implements AsyncDisposable {
  readonly hosts: readonly TestHost[]
  readonly #bridge: string
  readonly #faults = new Map<string, Faults>()

  private constructor(hosts: readonly TestHost[], bridge: string) {
    this.hosts = hosts
    this.#bridge = bridge
    for (const host of hosts) {
      this.#faults.set(host.name, { dropped: new Set(), lossPercent: 0, ports: new Set() })
    }
  }

  static async create(count: number): Promise<TestNetwork> {
    // The kernel takes a network down some time after the word: the next has other names and addresses.
    const number = networks++
    const id = `${process.pid % 100_000}n${number}`
    const bridge = `flb${id}`
    // A net of its own for each test process, out of a range that nothing here is likely to use.
    const net = `10.${200 + (process.pid % 50)}.${(Math.floor(process.pid / 50) + 50 * number) % 250}`
    const hosts = Array.from({ length: count }, (_, i): TestHost => {
      const name = `flh${id}x${i + 1}`
      // Not `ip netns exec`: it takes a copy of all mounts along, which keeps a failed file system alive.
      const prefix = ['nsenter', `--net=/run/netns/${name}`] as const
      return { name, address: `${net}.${i + 1}`, prefix }
    })
    const network = new TestNetwork(hosts, bridge)
    try {
      await sh('ip', 'link', 'add', bridge, 'type', 'bridge')
      await sh('ip', 'addr', 'add', `${net}.254/24`, 'dev', bridge)
      await sh('ip', 'link', 'set', bridge, 'up')
      for (const [i, host] of hosts.entries()) await network.#addHost(host, `flv${id}x${i + 1}`)
    } catch (err) {
      await network[Symbol.asyncDispose]()
      throw err
    }
    return network
  }

  /** Nothing that `from` sends arrives at `to`; the other direction is not touched. */
  async cut(from: TestHost, to: TestHost): Promise<void> {
    this.#of(to).dropped.add(from.address)
    await this.#apply(to)
  }

  /** `direction` is the host's: `in` means that it hears nobody. */
  async isolate(host: TestHost, direction: 'both' | 'in' | 'out'): Promise<void> {
    for (const other of this.hosts) {
      if (other === host) continue
      if (direction !== 'out') await this.cut(other, host)
      if (direction !== 'in') await this.cut(host, other)
    }
  }

  async partition(left: readonly TestHost[], right: readonly TestHost[]): Promise<void> {
    for (const x of left) {
      for (const y of right) {
        await this.cut(x, y)
        await this.cut(y, x)
      }
    }
  }

  /** Of all packets between hosts, so many are lost. */
  async lose(percent: number): Promise<void> {
    for (const host of this.hosts) {
      this.#of(host).lossPercent = percent
      await this.#apply(host)
    }
  }

  /** Every UDP packet that leaves the host leaves twice. */
  async duplicate(host: TestHost): Promise<void> {
    await this.#nft(
      host,
      'add table netdev fairlead_dup\n' +
        'add chain netdev fairlead_dup out { type filter hook egress device eth0 priority 0; }\n' +
        'add rule netdev fairlead_dup out ip protocol udp dup to eth0\n',
    )
  }

  /** What leaves the host queues behind so few bits a second: delay under load. */
  async limitRate(host: TestHost, rate: string): Promise<void> {
    const limit = ['rate', rate, 'burst', '8kb', 'limit', '128kb']
    await this.#on(host, 'tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', ...limit)
  }

  /** Connections that stand are broken; new ones may be made. */
  async breakConnections(host: TestHost): Promise<void> {
    for (const other of this.hosts) {
      if (other !== host) await this.#on(host, 'ss', '-K', 'dst', other.address)
    }
  }

  async heal(): Promise<void> {
    for (const host of this.hosts) {
      const faults = this.#of(host)
      faults.dropped.clear()
      faults.ports.clear()
      faults.lossPercent = 0
      await this.#apply(host)
      await this.#nft(host, 'add table netdev fairlead_dup\ndelete table netdev fairlead_dup\n')
      await this.#on(host, 'tc', 'qdisc', 'del', 'dev', 'eth0', 'root').catch(() => undefined)
    }
  }

  /** Packets that the rules of a host have dropped so far: a fault that cut nothing proves nothing. */
  async dropped(): Promise<number> {
    let sum = 0
    for (const host of this.hosts) {
      const listing = await this.#on(host, 'nft', 'list', 'counters', 'table', 'inet', 'fairlead')
      for (const match of listing.matchAll(/packets (\d+)/g)) sum += Number(match[1])
    }
    return sum
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.hosts) {
      await sh('ip', 'netns', 'del', host.name).catch(() => undefined)
    }
    await sh('ip', 'link', 'del', this.#bridge).catch(() => undefined)
  }

  async #addHost(host: TestHost, device: string): Promise<void> {
    await sh('ip', 'netns', 'add', host.name)
    await sh(
      'ip',
      'link',
      'add',
      device,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      host.name,
    )
    await sh('ip', 'link', 'set', device, 'master', this.#bridge, 'up')
    await this.#on(host, 'ip', 'addr', 'add', `${host.address}/24`, 'dev', 'eth0')
    await this.#on(host, 'ip', 'link', 'set', 'eth0', 'up')
    await this.#on(host, 'ip', 'link', 'set', 'lo', 'up')
    await this.#apply(host)
  }

  async #apply(host: TestHost): Promise<void> {
    const { dropped, lossPercent } = this.#of(host)
    const others = this.hosts.filter((other) => other !== host).map((other) => other.address)
    const rules = [...dropped].map((address) => `ip saddr ${address} counter name cut drop`)
    if (lossPercent > 0 && others.length > 0) {
      const from = `ip saddr { ${others.join(', ')} }`
      rules.push(`${from} numgen random mod 100 < ${lossPercent} counter name cut drop`)
    }
    // Counters stay over a change of rules.
    await this.#nft(
      host,
      'add table inet fairlead\nadd counter inet fairlead cut\n' +
        'add chain inet fairlead in { type filter hook input priority 0; }\n' +
        'flush chain inet fairlead in\n' +
        rules.map((rule) => `add rule inet fairlead in ${rule}\n`).join(''),
    )
  }

  async #on(host: TestHost, ...command: readonly [string, ...string[]]): Promise<string> {
    const [program, ...args] = [...host.prefix, ...command] as [string, ...string[]]
    return await sh(program, ...args)
  }

  /** One transaction: all rules change at once. */
  async #nft(host: TestHost, script: string): Promise<void> {
    const [program, ...args] = [...host.prefix, 'nft', '-f', '-'] as [string, ...string[]]
    const child = spawn(program, args, {
      env: commandEnvironment(),
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.stdin.end(script)
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    if (code !== 0) throw new Error(`nft on ${host.name}: ${said.trim()}`)
  }

  #of(host: TestHost): Faults {
    const faults = this.#faults.get(host.name)
    if (faults === undefined) throw new Error(`no host ${host.name}`)
    return faults
  }
}
