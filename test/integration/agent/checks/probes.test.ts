/**
 * Every kind of probe against a real server, or a real process, on this host.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { createServer as createTls, type TLSSocket } from 'node:tls'
import { Server as GrpcServer, ServerCredentials, status } from '@grpc/grpc-js'
import { wallTime } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { generateEcKey } from '../../../../runtime/pki/keys.ts'
import { createRootCertificate } from '../../../../runtime/pki/root-certificate.ts'
import { grpcProbe } from '../../../../runtime/probe/grpc-probe.ts'
import { h2pingProbe } from '../../../../runtime/probe/h2ping-probe.ts'
import { type HttpProbeOptions, httpProbe } from '../../../../runtime/probe/http-probe.ts'
import { type Probe, type ProbeResult, ProbeTimeout } from '../../../../runtime/probe/probe.ts'
import { scriptProbe } from '../../../../runtime/probe/script-probe.ts'
import { tcpProbe } from '../../../../runtime/probe/tcp-probe.ts'
import { udpProbe } from '../../../../runtime/probe/udp-probe.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const NO_TLS_NAME = { serverName: '', skipVerify: false }
const TRUSTING = { serverName: 'check.example', skipVerify: true }
let certificate = { key: '', cert: '' }

before(async () => {
  const key = await generateEcKey()
  const cert = await createRootCertificate({
    key,
    commonName: 'check.example',
    trustDomain: 'test.consul',
    serialNumber: 1,
    notBefore: wallTime(systemClock.wall() - 60_000),
    ttlMs: 3_600_000,
  })
  certificate = { key: key.pem, cert }
})

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** The port of tcpmux: nothing listens there, and no test can be given it. */
const CLOSED_PORT = 1

async function run(probe: Probe, timeoutMs = 5_000): Promise<ProbeResult> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new ProbeTimeout(timeoutMs)), timeoutMs)
  try {
    return await probe(abort.signal)
  } finally {
    clearTimeout(timer)
  }
}

describe('an http check', () => {
  const options = (url: string, more: Partial<HttpProbeOptions> = {}): HttpProbeOptions => ({
    url,
    method: 'GET',
    header: {},
    body: '',
    disableRedirects: false,
    tls: NO_TLS_NAME,
    outputMaxBytes: 4096,
    ...more,
  })
  const serve = async (listener: RequestListener): Promise<string> =>
    `http://127.0.0.1:${await listen(createHttp(listener))}`

  it('maps the answer to a status and shows its body', async () => {
    const url = await serve((request, response) => {
      response.writeHead(Number(request.url?.slice(1)))
      response.end('body')
    })
    for (const [code, text, expected] of [
      [200, 'OK', 'passing'],
      [299, 'unknown', 'passing'],
      [429, 'Too Many Requests', 'warning'],
      [404, 'Not Found', 'critical'],
      [500, 'Internal Server Error', 'critical'],
      [304, 'Not Modified', 'critical'],
    ] as const) {
      const result = await run(httpProbe(options(`${url}/${code}`)))
      assert.equal(result.status, expected)
      const body = code === 304 ? '' : 'body'
      assert.equal(result.output, `HTTP GET ${url}/${code}: ${code} ${text} Output: ${body}`)
    }
  })

  it('sends its own headers unless overridden, and closes its connection', async () => {
    const seen: Record<string, unknown>[] = []
    const url = await serve((request, response) => {
      seen.push({ ...request.headers, method: request.method })
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => response.end(body))
    })
    await run(httpProbe(options(url)))
    const given = { Host: ['other.example'], 'X-Two': ['a', 'b'], accept: ['application/json'] }
    const posted = await run(
      httpProbe(options(url, { method: 'post', header: given, body: 'hello' })),
    )
    assert.equal(seen[0]?.['user-agent'], 'Consul Health Check')
    assert.equal(seen[0]?.['accept'], 'text/plain, text/*, */*')
    assert.equal(seen[0]?.['connection'], 'close')
    assert.equal(seen[1]?.['host'], 'other.example')
    assert.equal(seen[1]?.['x-two'], 'a, b')
    assert.equal(seen[1]?.['accept'], 'application/json')
    assert.equal(seen[1]?.['method'], 'POST')
    assert.match(posted.output, /Output: hello$/)
  })

  it('follows redirects, up to ten, unless told not to', async () => {
    const url = await serve((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left === 0) response.end('there')
      else response.writeHead(302, { location: `/${left - 1}` }).end()
    })
    assert.equal((await run(httpProbe(options(`${url}/10`)))).status, 'passing')
    const tooMany = await run(httpProbe(options(`${url}/11`)))
    assert.equal(tooMany.output, `Get "${url}/11": stopped after 10 redirects`)
    const still = await run(httpProbe(options(`${url}/1`, { disableRedirects: true })))
    assert.equal(still.status, 'critical')
    assert.match(still.output, /302 Found/)
  })

  it('does not take secrets to another host on a redirect', async () => {
    let seen: Record<string, unknown> = {}
    const other = await serve((request, response) => {
      seen = request.headers
      response.end()
    })
    const url = await serve((_request, response) => {
      response.writeHead(307, { location: other }).end()
    })
    const header = { Authorization: ['secret'], 'X-Fine': ['yes'] }
    assert.equal((await run(httpProbe(options(url, { header })))).status, 'passing')
    assert.equal(seen['authorization'], undefined)
    assert.equal(seen['x-fine'], 'yes')
  })

  it('reads no more of the body than it may show', async () => {
    const url = await serve((_request, response) => {
      // Endless: only a reader that cuts the connection gets away.
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      response.on('error', () => {})
      more()
    })
    const result = await run(httpProbe(options(url, { outputMaxBytes: 10 })))
    assert.equal(result.status, 'passing')
    assert.match(result.output, /Output: x{10}$/)
  })

  it('says why it could not get an answer', async () => {
    const port = CLOSED_PORT
    const refused = await run(httpProbe(options(`http://127.0.0.1:${port}/`)))
    assert.equal(refused.output, `Get "http://127.0.0.1:${port}/": connect: connection refused`)
    const silent = await serve(() => {})
    const late = await run(httpProbe(options(silent)), 50)
    assert.equal(late.status, 'critical')
    assert.match(late.output, /context deadline exceeded$/)
    assert.equal((await run(httpProbe(options('not a url')))).status, 'critical')
  })

  it('gives up on a body that never ends within its time', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200)
      response.write('start')
    })
    const late = await run(httpProbe(options(url)), 100)
    assert.equal(late.status, 'critical')
    assert.match(late.output, /context deadline exceeded$/)
  })

  it('verifies certificates unless told not to, and sends the configured name', async () => {
    let serverName: unknown
    const server = createHttps(certificate, (request, response) => {
      serverName = (request.socket as TLSSocket).servername
      response.end('tls')
    })
    const url = `https://127.0.0.1:${await listen(server)}/`
    assert.equal((await run(httpProbe(options(url)))).status, 'critical')
    const header = { Host: ['other.example'] }
    const trusted = await run(httpProbe(options(url, { tls: TRUSTING, header })))
    assert.equal(trusted.status, 'passing')
    assert.equal(serverName, 'check.example')
  })
})

describe('a tcp check', () => {
  it('passes when something listens', async () => {
    const port = await listen(createTcp())
    assert.deepEqual(await run(tcpProbe(`127.0.0.1:${port}`)), {
      status: 'passing',
      output: `TCP connect 127.0.0.1:${port}: Success`,
    })
    const closed = CLOSED_PORT
    assert.deepEqual(await run(tcpProbe(`127.0.0.1:${closed}`)), {
      status: 'critical',
      output: `dial tcp 127.0.0.1:${closed}: connect: connection refused`,
    })
    assert.equal((await run(tcpProbe('nonsense'))).status, 'critical')
    assert.equal((await run(tcpProbe('127.0.0.1:0'))).status, 'critical')
  })

  it('with tls passes after a verified handshake only', async () => {
    const port = await listen(createTls(certificate))
    const good = await run(tcpProbe(`127.0.0.1:${port}`, TRUSTING))
    assert.equal(good.output, `TCP+TLS connect 127.0.0.1:${port}: Success`)
    assert.equal((await run(tcpProbe(`127.0.0.1:${port}`, NO_TLS_NAME))).status, 'critical')
    const plain = await listen(createTcp())
    const late = await run(tcpProbe(`127.0.0.1:${plain}`, TRUSTING), 50)
    assert.equal(late.output, `dial tcp 127.0.0.1:${plain}: i/o timeout`)
  })
})

describe('a udp check', () => {
  async function udpServer(answers: boolean): Promise<number> {
    const server = createSocket('udp4')
    if (answers) server.on('message', (_m, from) => server.send('pong', from.port, from.address))
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve))
    cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
    return server.address().port
  }

  it('passes on an answer and on silence', async () => {
    for (const answers of [true, false]) {
      const port = await udpServer(answers)
      assert.deepEqual(await run(udpProbe(`127.0.0.1:${port}`), answers ? 5_000 : 50), {
        status: 'passing',
        output: `UDP connect 127.0.0.1:${port}: Success`,
      })
    }
  })

  it('is critical when the port is refused', async () => {
    const result = await run(udpProbe(`127.0.0.1:${CLOSED_PORT}`))
    assert.equal(result.status, 'critical')
    assert.match(result.output, /^dial udp 127\.0\.0\.1:\d+: connect: connection refused$/)
  })
})

describe('a grpc check', () => {
  /** A real gRPC server; the answer by service name: a serving status, or a gRPC code below zero. */
  async function grpcServer(
    answers: Readonly<Record<string, number>>,
    credentials = ServerCredentials.createInsecure(),
  ): Promise<number> {
    const server = new GrpcServer()
    const raw = (bytes: Buffer): Buffer => bytes
    server.addService(
      {
        Check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: raw,
          requestDeserialize: raw,
          responseSerialize: raw,
          responseDeserialize: raw,
        },
      },
      {
        Check: (
          call: { readonly request: Buffer },
          done: (error: object | null, answer?: Buffer) => void,
        ) => {
          const service = call.request.subarray(2).toString()
          const answer = answers[service]
          if (answer === undefined) done({ code: status.NOT_FOUND, details: 'unknown sérvice' })
          else done(null, answer === 0 ? Buffer.alloc(0) : Buffer.from([0x08, answer]))
        },
      },
    )
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    cleanups.push(() => server.forceShutdown())
    return port
  }

  it('passes only when the service says SERVING', async () => {
    const port = await grpcServer({ '': 1, web: 1, sick: 2, odd: 0 })
    const at = `127.0.0.1:${port}`
    for (const [target, expected, output] of [
      [at, 'passing', `gRPC check ${at}: success`],
      [`${at}/web`, 'passing', `gRPC check ${at}/web: success`],
      [`${at}/sick`, 'critical', `gRPC check ${at}/sick: service is NOT_SERVING`],
      [`${at}/odd`, 'critical', `gRPC check ${at}/odd: service is UNKNOWN`],
      [
        `${at}/none`,
        'critical',
        `gRPC check ${at}/none: rpc error: code = NotFound desc = unknown sérvice`,
      ],
    ] as const) {
      assert.deepEqual(await run(grpcProbe(target)), { status: expected, output })
    }
  })

  it('speaks tls', async () => {
    const credentials = ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(certificate.key), cert_chain: Buffer.from(certificate.cert) },
    ])
    const port = await grpcServer({ '': 1 }, credentials)
    assert.equal((await run(grpcProbe(`127.0.0.1:${port}`, TRUSTING))).status, 'passing')
    assert.equal((await run(grpcProbe(`127.0.0.1:${port}`, NO_TLS_NAME))).status, 'critical')
  })

  it('is critical where nothing, or something else, answers', async () => {
    const closed = CLOSED_PORT
    assert.equal(
      (await run(grpcProbe(`127.0.0.1:${closed}`))).output,
      `gRPC check 127.0.0.1:${closed}: dial tcp 127.0.0.1:${closed}: connect: connection refused`,
    )
    const http = await listen(createHttp((_request, response) => response.end()))
    assert.equal((await run(grpcProbe(`127.0.0.1:${http}`), 1_000)).status, 'critical')
    const silent = await listen(createTcp())
    assert.match((await run(grpcProbe(`127.0.0.1:${silent}`), 50)).output, /deadline exceeded$/)
  })
})

describe('an h2ping check', () => {
  it('passes when a ping is answered, with and without tls', async () => {
    const plain = await listen(createHttp2())
    assert.deepEqual(await run(h2pingProbe(`127.0.0.1:${plain}`)), {
      status: 'passing',
      output: 'HTTP2 ping was successful',
    })
    const secure = await listen(createSecureServer(certificate))
    assert.equal((await run(h2pingProbe(`127.0.0.1:${secure}`, TRUSTING))).status, 'passing')
    assert.equal((await run(h2pingProbe(`127.0.0.1:${secure}`, NO_TLS_NAME))).status, 'critical')
  })

  it('fails where nothing speaks http/2', async () => {
    const closed = CLOSED_PORT
    assert.deepEqual(await run(h2pingProbe(`127.0.0.1:${closed}`)), {
      status: 'critical',
      output: 'HTTP2 ping failed: connect: connection refused',
    })
    const silent = await listen(createTcp())
    assert.equal(
      (await run(h2pingProbe(`127.0.0.1:${silent}`), 50)).output,
      'HTTP2 ping failed: context deadline exceeded',
    )
  })
})

describe('a script check', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairlead-script-'))
  })
  after(async () => {
    await rm(folder, { recursive: true, force: true })
  })
  const script = (text: string, outputMaxBytes = 4096): Probe =>
    scriptProbe({ args: ['sh', '-c', text], outputMaxBytes }, { clock: systemClock })

  it('maps exit codes and mixes both outputs', async () => {
    assert.deepEqual(await run(script('echo out; echo err >&2')), {
      status: 'passing',
      output: 'out\nerr\n',
    })
    assert.equal((await run(script('exit 1'))).status, 'warning')
    assert.equal((await run(script('exit 2'))).status, 'critical')
    assert.equal((await run(script('kill -9 $$'))).status, 'critical')
  })

  it('keeps the end of a long output', async () => {
    const { output } = await run(script('printf 0123456789', 4))
    assert.equal(output, 'Captured 4 of 10 bytes\n...\n6789')
  })

  it('is critical when the program does not exist', async () => {
    const probe = scriptProbe(
      { args: [join(folder, 'missing')], outputMaxBytes: 10 },
      { clock: systemClock },
    )
    const { status: found, output } = await run(probe)
    assert.equal(found, 'critical')
    assert.match(output, /executable file not found$/)
  })

  it('kills the whole process group when its time is up, and is critical at once', async () => {
    const pidFile = join(folder, 'pid')
    // The child of the script must not survive it.
    const probe = script(`echo started; sleep 60 & echo $! > ${pidFile}; wait`)
    const result = await run(probe, 500)
    assert.deepEqual(result, {
      status: 'critical',
      output: 'Timed out (500ms) running check\n\nstarted\n',
      immediate: true,
    })
    await gone(Number(await readFile(pidFile, 'utf8')))
  })

  it('does not wait for children that keep its output open', async () => {
    const pidFile = join(folder, 'lingering')
    const probe = script(`sleep 60 & echo $! > ${pidFile}; echo done`)
    assert.deepEqual(await run(probe), { status: 'passing', output: 'done\n' })
    await gone(Number(await readFile(pidFile, 'utf8')))
  })

  it('rejects with the reason when it is stopped, and leaves no process', async () => {
    const pidFile = join(folder, 'stopped')
    const abort = new AbortController()
    const running = script(`echo $$ > ${pidFile}; sleep 60`)(abort.signal)
    const pid = await pidIn(pidFile)
    abort.abort(new Error('stopping'))
    await assert.rejects(running, /stopping/)
    await gone(pid)
  })

  async function pidIn(file: string): Promise<number> {
    for (;;) {
      const text = await readFile(file, 'utf8').catch(() => '')
      if (text.endsWith('\n')) return Number(text)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Resolves when the process has ended; a killed one is reaped a moment later. */
  async function gone(pid: number): Promise<void> {
    for (;;) {
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      if (state === '' || state.includes(') Z ')) return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
})
