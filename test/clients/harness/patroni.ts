/**
 * PostgreSQL instances under Patroni, which elects their leader through an agent's KV store and sessions.
 *
 * Guarantees: everything runs as an unprivileged user (PostgreSQL refuses root) in folders of its own; after disposal no process
 * of it is left. Times are the shortest that Patroni allows: a session of 10 s, looks every 2 s.
 */

import { execFileSync, spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../e2e/harness/free-port.ts'
import { finished, kill, processesMentioning } from '../../e2e/harness/program.ts'
import { type PeerProcess, startPeer } from './peer-process.ts'
import type { PythonPeer } from './peers.ts'

const PASSWORD = 'in-a-test'
/** Who runs PostgreSQL where the test is root. */
const USERS = ['postgres', 'nobody']

export interface PatroniSetup {
  readonly python: PythonPeer
  /** Of initdb, postgres, psql and the others. */
  readonly binaries: string
  readonly folder: string
  /** Port of the HTTP API of an agent. */
  readonly agentPort: number
}

export interface Member {
  readonly name: string
  readonly role: string
  readonly state: string
}

export class PatroniInstance {
  readonly name: string
  readonly #setup: PatroniSetup
  readonly #folder: string
  readonly #ports: { readonly rest: number; readonly postgres: number }
  /** Each run of it, the last one at the end. */
  readonly #runs: PeerProcess[] = []

  static async create(name: string, setup: PatroniSetup): Promise<PatroniInstance> {
    const ports = { rest: await freePort(), postgres: await freePort() }
    const instance = new PatroniInstance(name, setup, ports)
    await instance.#configure()
    return instance
  }

  private constructor(
    name: string,
    setup: PatroniSetup,
    ports: { readonly rest: number; readonly postgres: number },
  ) {
    this.name = name
    this.#setup = setup
    this.#ports = ports
    this.#folder = join(setup.folder, name)
  }

  get output(): string {
    return this.#runs.map((run) => run.output()).join('')
  }

  start(): void {
    const { python } = this.#setup
    const run = startPeer(python.interpreter, ['-m', 'patroni', this.#configuration], {
      ...identity(),
      cwd: this.#folder,
      env: { PATH: process.env['PATH'], PYTHONPATH: packagesOf(this.#setup), HOME: this.#folder },
    })
    this.#runs.push(run)
  }

  /** Patroni and PostgreSQL at once, as when the host loses power. */
  async kill(): Promise<void> {
    const isGone = this.#runs.at(-1)?.[Symbol.asyncDispose]()
    for (const pid of processesMentioning(this.#folder)) kill(pid)
    await isGone
  }

  /** The cluster as this instance sees it; undefined when it does not answer. */
  async members(): Promise<readonly Member[] | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#ports.rest}/cluster`)
      return ((await response.json()) as { readonly members: readonly Member[] }).members
    } catch {
      return undefined
    }
  }

  async switchOver(candidate: PatroniInstance): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.rest}/switchover`, {
      method: 'POST',
      body: JSON.stringify({ leader: this.name, candidate: candidate.name }),
    })
    await response.text()
    return response.status
  }

  /** @throws when PostgreSQL refuses or does not answer */
  async sql(statement: string): Promise<string> {
    const url = `postgresql://postgres:${PASSWORD}@127.0.0.1:${this.#ports.postgres}/postgres`
    const argv = [url, '--no-psqlrc', '--tuples-only', '--no-align', '--command', statement]
    const child = spawn(join(this.#setup.binaries, 'psql'), argv, { stdio: 'pipe' })
    const { code, stdout, stderr } = await finished(child)
    if (code !== 0) throw new Error(`${this.name}: ${statement}: ${stderr}`)
    return stdout.trim()
  }

  get #configuration(): string {
    return join(this.#folder, 'patroni.json')
  }

  async #configure(): Promise<void> {
    const { agentPort, binaries } = this.#setup
    const folder = this.#folder
    await mkdir(folder, { recursive: true })
    const at = (port: number) => ({
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
    })
    const account = (username: string) => ({ username, password: PASSWORD })
    const settings = {
      scope: 'pg',
      name: this.name,
      restapi: at(this.#ports.rest),
      consul: {
        host: `127.0.0.1:${agentPort}`,
        register_service: true,
        service_check_interval: '1s',
      },
      bootstrap: {
        dcs: {
          ttl: 20,
          loop_wait: 2,
          retry_timeout: 3,
          postgresql: {
            use_pg_rewind: true,
            parameters: { shared_buffers: '16MB', max_connections: 20, fsync: 'off' },
          },
        },
        initdb: [{ encoding: 'UTF8' }, 'data-checksums', 'no-sync'],
      },
      postgresql: {
        ...at(this.#ports.postgres),
        data_dir: join(folder, 'data'),
        bin_dir: binaries,
        pgpass: join(folder, 'pgpass'),
        parameters: { unix_socket_directories: folder },
        authentication: { superuser: account('postgres'), replication: account('replicator') },
        pg_hba: ['host all all 127.0.0.1/32 md5', 'host replication all 127.0.0.1/32 md5'],
      },
    }
    // JSON is YAML.
    await writeFile(this.#configuration, JSON.stringify(settings))
    await chmod(folder, 0o700)
    giveAway(folder)
  }
}

/** Makes the folder and its packages readable for who runs PostgreSQL. */
export async function preparePatroni(setup: PatroniSetup): Promise<void> {
  await chmod(setup.folder, 0o755)
  cpSync(setup.python.packages, packagesOf(setup), { recursive: true })
}

/** The cache may be in the home of a user who lets nobody in. */
function packagesOf({ folder }: PatroniSetup): string {
  return join(folder, 'packages')
}

function giveAway(folder: string): void {
  const { uid, gid } = identity()
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${gid}`, folder])
}

function identity(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  for (const user of USERS) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: 'pipe' }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // There is no such user: the next one.
    }
  }
  throw new Error(`none of the users ${USERS.join(', ')} exists`)
}
