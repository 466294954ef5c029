/**
 * The proxy beside NGINX and HAProxy: CPU time per request of the proxy processes alone.
 *
 * All proxies of a path run on one core, the application (NGINX with a static answer) and the load (wrk) on
 * the other; everything on loopback. (a) two hops with mTLS between, 32 connections; (b) one plain hop; (c) as (a), unary
 * calls of gRPC (h2load, 8 connections of 4 calls) in HTTP/2; (d) the called side alone, a new mTLS connection for each
 * request; (e) raw streams on the path of (a), 8 of 4 MB at a time. CPU
 * time from /proc, so that other work on the machine matters little; peers are run in turns and the median
 * of RUNS taken. What is not installed is left out with a word. Run alone: `node bench/proxy.ts [filter]`.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, median, printFigures } from './figures.ts'
import { childrenOf, cpuMs, rssBytes } from './process-stats.ts'
import { type BenchCertificates, makeCertificates } from './proxy/certificates.ts'
import {
  haproxyGrpc,
  haproxyPlainHop,
  haproxyStreams,
  haproxyTwoHops,
  nginxApp,
  nginxPlainHop,
  nginxTwoHops,
  type PathPorts,
} from './proxy/peers.ts'
import { end, freePorts, ready } from './proxy/processes.ts'
import { calleeSnapshot, callerSnapshot, configure, SNI } from './proxy/snapshots.ts'

const run = promisify(execFile)
const HERE = import.meta.dirname
const RUNS = Number(process.env['BENCH_RUNS'] ?? 3)
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 5)
const CONNECTIONS = 32
const GRPC_CONNECTIONS = 8
const GRPC_CALLS_EACH = 4
const BULK_STREAMS = 8
const BULK_MB = 4
const PROXY_CORE = '0'
const LOAD_CORE = '1'

interface Path {
  readonly name: string
  readonly needs: 'nginx' | 'haproxy' | undefined
  /** Starts the proxies of the path; they stop with the bench. */
  readonly start: (ports: PathPorts, bench: Bench) => Promise<readonly ChildProcess[]>
}

interface Bench {
  readonly folder: string
  readonly certificates: BenchCertificates
  readonly children: ChildProcess[]
}

const TWO_HOPS: readonly Path[] = [
  { name: 'fairlead, mux', needs: undefined, start: async (p, b) => fairlead(p, b, 'mux', 'http') },
  {
    name: 'fairlead, no mux',
    needs: undefined,
    start: async (p, b) => fairlead(p, b, 'no-mux', 'http'),
  },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: async (p, b) => peers('haproxy', haproxyTwoHops(p, b.certificates.files, SNI), b),
  },
  {
    name: 'nginx',
    needs: 'nginx',
    start: async (p, b) => peers('nginx', nginxTwoHops(p, b.certificates.files, SNI), b),
  },
]

const GRPC: readonly Path[] = [
  { name: 'fairlead, mux', needs: undefined, start: async (p, b) => fairlead(p, b, 'mux', 'grpc') },
  {
    name: 'fairlead, no mux',
    needs: undefined,
    start: async (p, b) => fairlead(p, b, 'no-mux', 'grpc'),
  },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: async (p, b) => peers('haproxy', haproxyGrpc(p, b.certificates.files, SNI), b),
  },
]

const HANDSHAKES: readonly Path[] = [
  { name: 'fairlead', needs: undefined, start: calledSide },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: async (p, b) =>
      peers('haproxy', haproxyTwoHops(calledOnly(p), b.certificates.files, SNI).slice(1), b),
  },
  {
    name: 'nginx',
    needs: 'nginx',
    start: async (p, b) =>
      peers('nginx', nginxTwoHops(calledOnly(p), b.certificates.files, SNI).slice(1), b),
  },
]

const STREAMS: readonly Path[] = [
  { name: 'fairlead, mux', needs: undefined, start: async (p, b) => fairlead(p, b, 'mux', 'tcp') },
  {
    name: 'fairlead, no mux',
    needs: undefined,
    start: async (p, b) => fairlead(p, b, 'no-mux', 'tcp'),
  },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: async (p, b) => peers('haproxy', haproxyStreams(p, b.certificates.files, SNI), b),
  },
]

const PLAIN_HOP: readonly Path[] = [
  {
    name: 'fairlead',
    needs: undefined,
    start: async (p, b) => [node(b, 'plain-hop.ts', [`${p.front}`, `${p.app}`])],
  },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: async (p, b) => peers('haproxy', haproxyPlainHop(p), b),
  },
  { name: 'nginx', needs: 'nginx', start: async (p, b) => peers('nginx', nginxPlainHop(p), b) },
]

export async function benchProxy(filter = ''): Promise<Figure[]> {
  for (const tool of ['wrk', 'nginx', 'taskset']) {
    if (await isInstalled(tool)) continue
    console.log(`proxy: ${tool} is not installed; this benchmark is left out`)
    return []
  }
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bench-'))
  // NGINX reads it as another user.
  const bulkFolder = await mkdtemp(join(tmpdir(), 'fairlead-bulk-'))
  await chmod(bulkFolder, 0o755)
  const certificates = await makeCertificates(folder, SNI)
  const bench: Bench = { folder, certificates, children: [] }
  try {
    const [app = 0] = await freePorts(1)
    await writeFile(join(bulkFolder, 'file'), Buffer.alloc(BULK_MB * 1024 * 1024, 'bulk '))
    await peer('nginx', nginxApp(app, bulkFolder), bench, LOAD_CORE)
    await ready(app)
    return [
      ...(await comparePaths('two hops, mTLS', TWO_HOPS, 'haproxy', { app, bench, filter })),
      ...(await comparePaths('one plain hop', PLAIN_HOP, 'nginx', { app, bench, filter })),
      ...(await compareGrpc(bench, filter)),
      ...(await comparePaths('new mTLS connections', HANDSHAKES, 'haproxy', {
        app,
        bench,
        filter,
        run: async (port, seconds) => await tlsLoad(port, seconds, certificates),
        unit: 'µs CPU a connection',
      })),
      ...(await comparePaths('streams', STREAMS, 'haproxy', {
        app,
        bench,
        filter,
        run: bulkLoad,
        unit: 'µs CPU a MB',
      })),
    ]
  } finally {
    await Promise.all(bench.children.map(async (child) => await end(child)))
    await rm(folder, { recursive: true, force: true })
    await rm(bulkFolder, { recursive: true, force: true })
  }
}

async function compareGrpc(bench: Bench, filter: string): Promise<Figure[]> {
  if (!(await isInstalled('h2load'))) {
    console.log('proxy: h2load is not installed; gRPC is left out')
    return []
  }
  const [app = 0] = await freePorts(1)
  node(bench, 'grpc-app.ts', [`${app}`], LOAD_CORE)
  await ready(app)
  const message = join(bench.folder, 'message')
  await writeFile(message, Buffer.from('\0\0\0\0\x05hello', 'latin1'))
  const run = async (port: number, seconds: number): Promise<number> =>
    await grpcLoad(port, seconds, message)
  return await comparePaths('gRPC', GRPC, 'haproxy', { app, bench, filter, run })
}

async function comparePaths(
  title: string,
  paths: readonly Path[],
  markName: string,
  context: {
    readonly app: number
    readonly bench: Bench
    readonly filter: string
    readonly run?: Load
    readonly unit?: string
  },
): Promise<Figure[]> {
  const { app, bench, filter, run = load, unit = 'µs CPU a request' } = context
  const running: { name: string; port: number; pids: readonly number[]; results: number[] }[] = []
  for (const path of paths) {
    if (!`${title} ${path.name}`.includes(filter)) continue
    if (path.needs !== undefined && !(await isInstalled(path.needs))) {
      console.log(`proxy: ${path.needs} is not installed; "${path.name}" is left out`)
      continue
    }
    const [front = 0, middle = 0] = await freePorts(2)
    const children = await path.start({ front, middle, app }, bench)
    await ready(front)
    const pids = children.flatMap((child) => familyOf(child.pid ?? 0))
    // Connections, JIT and pools are warm before anything is counted.
    await run(front, 2)
    running.push({ name: path.name, port: front, pids, results: [] })
  }
  for (let i = 0; i < RUNS; i++) {
    for (const each of running) each.results.push(await measure(run, each.port, each.pids))
  }
  const mark = running.find((each) => each.name === markName)
  return running.flatMap(({ name, pids, results }) => {
    const cpu: Figure = {
      name: `${title}: ${name}`,
      value: median(results),
      unit,
      spread: (Math.max(...results) - Math.min(...results)) / 2,
      ...(mark === undefined || name === markName
        ? {}
        : { mark: { name: markName, value: median(mark.results) } }),
    }
    const memory: Figure = {
      name: `${title}: ${name}, memory after load`,
      value: pids.reduce((sum, pid) => sum + rssBytes(pid), 0) / 1024 / 1024,
      unit: 'MB resident',
    }
    return [cpu, memory]
  })
}

async function measure(run: Load, port: number, pids: readonly number[]): Promise<number> {
  const before = pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
  const requests = await run(port, SECONDS)
  const after = pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
  return ((after - before) * 1000) / requests
}

/** @returns requests answered with 2xx */
type Load = (port: number, seconds: number) => Promise<number>

async function load(port: number, seconds: number): Promise<number> {
  const url = `http://127.0.0.1:${port}/`
  const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, url]
  const { stdout } = await run('taskset', args)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  const errors = /Socket errors: (.*)/.exec(stdout)?.[1]
  if (requests === 0 || bad > 0) throw new Error(`the load failed: ${stdout}`)
  if (errors !== undefined) console.log(`proxy: socket errors on port ${port}: ${errors}`)
  return requests
}

async function tlsLoad(
  port: number,
  seconds: number,
  { files }: BenchCertificates,
): Promise<number> {
  const script = join(HERE, 'proxy', 'tls-load.ts')
  const args = [script, `${port}`, `${seconds}`, files.roots, files.cert, files.key, SNI]
  const { stdout } = await run('taskset', ['-c', LOAD_CORE, process.execPath, ...args])
  return Number(stdout)
}

/** @returns MB */
async function bulkLoad(port: number, seconds: number): Promise<number> {
  const url = `http://127.0.0.1:${port}/bulk/file`
  const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${BULK_STREAMS}`, `-d${seconds}s`, url]
  const { stdout } = await run('taskset', args)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
  if (requests === 0 || stdout.includes('Non-2xx')) throw new Error(`the load failed: ${stdout}`)
  return requests * BULK_MB
}

async function grpcLoad(port: number, seconds: number, message: string): Promise<number> {
  const size = ['-c', `${GRPC_CONNECTIONS}`, '-m', `${GRPC_CALLS_EACH}`, '-D', `${seconds}`]
  const fields = ['-H', 'content-type: application/grpc', '-H', 'te: trailers', '-d', message]
  const url = `http://127.0.0.1:${port}/bench.Greeter/Hello`
  const { stdout } = await run('taskset', ['-c', LOAD_CORE, 'h2load', ...size, ...fields, url])
  const [, done = '0', failed = '0'] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? []
  if (Number(done) === 0 || Number(failed) > 0) throw new Error(`the load failed: ${stdout}`)
  return Number(done)
}

function calledOnly({ front, app }: PathPorts): PathPorts {
  return { front: 0, middle: front, app }
}

async function calledSide(ports: PathPorts, bench: Bench): Promise<readonly ChildProcess[]> {
  const path = join(bench.folder, 'called-side.sock')
  const child = node(bench, 'proxy-process.ts', [path, 'mux'])
  await ready(path)
  await configure(path, calleeSnapshot(calledOnly(ports), bench.certificates, 'http'))
  return [child]
}

async function fairlead(
  ports: PathPorts,
  bench: Bench,
  mux: 'mux' | 'no-mux',
  protocol: 'http' | 'grpc' | 'tcp',
): Promise<readonly ChildProcess[]> {
  const sockets = ['caller', 'callee'].map((name) =>
    join(bench.folder, `${name}-${mux}-${protocol}.sock`),
  )
  const [callerSocket = '', calleeSocket = ''] = sockets
  const children = sockets.map((path) => node(bench, 'proxy-process.ts', [path, mux]))
  for (const path of sockets) await ready(path)
  await configure(calleeSocket, calleeSnapshot(ports, bench.certificates, protocol))
  await configure(callerSocket, callerSnapshot(ports, bench.certificates, protocol))
  return children
}

function node(
  bench: Bench,
  script: string,
  args: readonly string[],
  core = PROXY_CORE,
): ChildProcess {
  const flags = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '')
  const command = [process.execPath, ...flags, join(HERE, 'proxy', script), ...args]
  const child = spawn('taskset', ['-c', core, ...command], { stdio: 'inherit' })
  bench.children.push(child)
  return child
}

async function peers(
  program: 'nginx' | 'haproxy',
  configs: readonly string[],
  bench: Bench,
): Promise<readonly ChildProcess[]> {
  const children: ChildProcess[] = []
  for (const config of configs) children.push(await peer(program, config, bench, PROXY_CORE))
  return children
}

async function peer(
  program: 'nginx' | 'haproxy',
  config: string,
  bench: Bench,
  core: string,
): Promise<ChildProcess> {
  const folder = join(bench.folder, `${program}-${bench.children.length}`)
  await mkdir(folder)
  const path = join(folder, 'config')
  await writeFile(path, config)
  const args = program === 'nginx' ? ['-p', folder, '-c', path] : ['-db', '-f', path]
  const child = spawn('taskset', ['-c', core, program, ...args], { stdio: 'inherit' })
  bench.children.push(child)
  return child
}

/** `taskset` becomes the program it starts; NGINX works in a child. */
function familyOf(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid)]
}

async function isInstalled(tool: string): Promise<boolean> {
  return await run('which', [tool]).then(
    () => true,
    () => false,
  )
}

if (import.meta.main) printFigures('The proxy', await benchProxy(process.argv[2]))
