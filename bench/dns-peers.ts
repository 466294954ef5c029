/**
 * CPU time of a DNS query of a real client agent beside resolvers that serve the same answers from their configuration:
 * dnsmasq and Unbound, which need no catalog. dnsperf asks each over UDP, A of 100 services in turn.
 *
 * A cluster of one server and one client agent; the client is asked. CPU time of the asked process, from /proc. What is
 * not installed is left out with a word. Bounded: `QUERIES` questions, `RUNS` times, each.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startFairlead } from './cluster/fairlead-cluster.ts'
import { freePorts, isInstalled, Members, temporaryFolder, until } from './cluster/members.ts'
import { type Figure, median, printFigures } from './figures.ts'
import { startClients } from './fleet/clients.ts'
import { cpuMs } from './process-stats.ts'

const SERVICES = 100
const ROUNDS = 300
const QUERIES = SERVICES * ROUNDS
const RUNS = 5

const run = promisify(execFile)
/** Where distributions put programs that are not for every user. */
const SYSTEM = '/usr/sbin'

interface Asked {
  readonly name: string
  readonly pid: number
  readonly port: number
}

const names = Array.from({ length: SERVICES }, (_, i) => `s${i + 1}.service.consul`)
const addressOf = (i: number): string => `10.0.0.${i + 1}`

export async function benchDnsPeers(): Promise<Figure[]> {
  if (!(await isInstalled('dnsperf'))) {
    console.log('dns: dnsperf is not installed; the comparison with peers is left out')
    return []
  }
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await using stack = new AsyncDisposableStack()
  const questions = join(folder, 'questions')
  await writeFile(questions, names.map((name) => `${name} A\n`).join(''))
  const asked: Asked[] = [await startAgent(stack, folder)]
  const dnsmasqConfig = names.map((name, i) => `host-record=${name},${addressOf(i)}`)
  const dnsmasq = await startPeer(stack, 'dnsmasq', folder, (port, path) => ({
    config: ['no-resolv', 'no-hosts', 'bind-interfaces', 'pid-file=', 'user=', 'group=']
      .concat(`listen-address=127.0.0.1`, `port=${port}`, dnsmasqConfig)
      .join('\n'),
    argv: ['--keep-in-foreground', `--conf-file=${path}`],
  }))
  const records = names.map((name, i) => `  local-data: "${name}. 0 IN A ${addressOf(i)}"`)
  const unbound = await startPeer(stack, 'unbound', folder, (port, path) => ({
    config: ['server:', `  interface: 127.0.0.1@${port}`, '  chroot: ""', '  username: ""']
      .concat('  pidfile: ""', '  use-syslog: no', '  num-threads: 1')
      .concat('  local-zone: "consul." static', records)
      .join('\n'),
    argv: ['-d', '-c', path],
  }))
  for (const peer of [dnsmasq, unbound]) if (peer !== undefined) asked.push(peer)
  const runs = new Map<string, number[]>(asked.map(({ name }) => [name, []]))
  for (const one of asked) await ask(one, questions)
  // In turn, so that what else the machine does hits all of them.
  for (let i = 0; i < RUNS; i++) {
    for (const one of asked) runs.get(one.name)?.push(await ask(one, questions))
  }
  return figuresOf(runs)
}

function figuresOf(runs: ReadonlyMap<string, readonly number[]>): Figure[] {
  const own = median(runs.get('fairlead') ?? [])
  const figures: Figure[] = []
  for (const [name, values] of runs) {
    const value = median(values)
    const spread = (Math.max(...values) - Math.min(...values)) / 2
    const mark = name === 'fairlead' ? {} : { mark: { name: 'fairlead', value: own } }
    figures.push({ name: `A by ${name}, CPU a query`, value, unit: 'µs', spread, ...mark })
  }
  return figures
}

/** @returns µs of CPU a query */
async function ask({ pid, port }: Asked, questions: string): Promise<number> {
  const before = cpuMs(pid)
  const argv = ['-s', '127.0.0.1', '-p', String(port), '-d', questions, '-q', '32']
  const { stdout } = await run('dnsperf', [...argv, '-n', String(ROUNDS), '-t', '10'])
  const used = cpuMs(pid) - before
  if (!stdout.includes(`NOERROR ${QUERIES} (100.00%)`)) throw new Error(stdout)
  return (used * 1000) / QUERIES
}

async function startAgent(stack: AsyncDisposableStack, folder: string): Promise<Asked> {
  const cluster = stack.use(await startFairlead(folder, { size: 1 }))
  const server = cluster.urls[0] ?? ''
  const clients = stack.use(await startClients(folder, server, 1))
  const [client] = clients.agents
  if (client === undefined) throw new Error('there is no client agent')
  for (const i of names.keys()) {
    const service = { ID: `s${i + 1}`, Service: `s${i + 1}`, Port: 80 }
    const node = { Node: `vm-${i + 1}`, Address: addressOf(i) }
    const body = JSON.stringify({ ...node, Service: service })
    await until('a registration', async () => {
      const response = await fetch(`${client.url}/v1/catalog/register`, { method: 'PUT', body })
      return response.ok ? true : undefined
    })
  }
  return { name: 'fairlead', pid: clients.pidOf(client.name), port: client.dns }
}

async function startPeer(
  stack: AsyncDisposableStack,
  name: string,
  folder: string,
  setUp: (port: number, path: string) => { config: string; argv: readonly string[] },
): Promise<Asked | undefined> {
  const program = (await isInstalled(name)) ? name : join(SYSTEM, name)
  if (!(await isInstalled(program))) {
    console.log(`dns: ${name} is not installed and left out`)
    return undefined
  }
  const [port = 0] = await freePorts(1)
  const path = join(folder, `${name}.conf`)
  const { config, argv } = setUp(port, path)
  await writeFile(path, `${config}\n`)
  const members = new Members()
  stack.defer(() => members.endAll())
  members.start(name, { argv: [program, ...argv], logFile: join(folder, `${name}.log`) })
  await until(`${name} to answer`, async () => {
    const where = ['@127.0.0.1', '-p', String(port), '+short', '+tries=1', '+time=1']
    const answer = await run('dig', [...where, names[0] ?? '']).catch(() => undefined)
    return answer?.stdout.trim() === addressOf(0) ? true : undefined
  })
  return { name, pid: members.pid(name), port }
}

if (import.meta.main) printFigures('DNS beside peers', await benchDnsPeers())
