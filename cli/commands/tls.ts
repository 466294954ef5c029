/**
 * `fairlead tls`: an authority for agents' TLS, and certificates for them (cli.md section 12). Asks no agent.
 *
 * File names and answers are Consul's. Guarantees: no file is overwritten; keys are for their owner alone.
 */

import { rm, writeFile } from 'node:fs/promises'
import { FairleadError } from '../../core/errors.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import {
  type CertificateAndKeyPem,
  type CertificateRole,
  createAgentAuthority,
  createAgentCertificate,
  namesOfRole,
} from '../../runtime/pki/agent-certificates.ts'
import { type Arguments, type CommandSpec, flag, listFlag, toggle, UsageError } from '../command.ts'
import { readText } from '../input.ts'

const NUMBERS_MAX = 10_000

export const tlsCaCreateCommand: CommandSpec = {
  summary: 'Make an authority for the certificates of agents',
  usage: '',
  flags: [
    flag('days', 'count', 'how long it is good (default: 1825)'),
    flag('domain', 'name', 'domain of the cluster (default: consul)'),
    flag('common-name', 'name', 'name of the authority (default: made up)'),
    flag('cluster-id', 'uuid', 'id of the mesh, to be named in it'),
    toggle('name-constraint', 'let it sign only names in the domain, localhost, and those added'),
    listFlag('additional-name-constraint', 'domain', 'a further domain it may sign; repeatable'),
  ],
  run: async (args, context) => {
    const domain = args.text('domain') ?? 'consul'
    const further = args.list('additional-name-constraint')
    const isConstrained = args.bool('name-constraint')
    if (further.length > 0 && !isConstrained) {
      throw new UsageError('-additional-name-constraint needs -name-constraint')
    }
    const clusterId = args.text('cluster-id') ?? ''
    const made = await createAgentAuthority({
      commonName: args.text('common-name') ?? '',
      days: daysOf(args, 1_825),
      onlyDomains: isConstrained ? [domain, 'localhost', ...further] : [],
      clusterUri: clusterId === '' ? '' : `spiffe://${clusterId}.${domain}`,
      now: systemClock.wall(),
    })
    const saved = await save(`${domain}-agent-ca`, made)
    for (const path of saved) context.stdout(`==> Saved ${path}\n`)
    return 0
  },
}

const ROLES: readonly CertificateRole[] = ['server', 'client', 'cli']

export const tlsCertCreateCommand: CommandSpec = {
  summary: 'Make a certificate for a server, a client or the command line',
  usage: '',
  flags: [
    toggle('server', 'for a server'),
    toggle('client', 'for a client agent'),
    toggle('cli', 'for whoever asks the HTTP API'),
    flag('ca', 'path', 'certificate of the authority (default: <domain>-agent-ca.pem)'),
    flag('key', 'path', 'its key (default: <domain>-agent-ca-key.pem)'),
    flag('dc', 'name', 'datacenter (default: dc1)'),
    flag('domain', 'name', 'domain of the cluster (default: consul)'),
    flag('node', 'name', 'name of the server’s node, to be named in it'),
    flag('days', 'count', 'how long it is good (default: 365)'),
    listFlag('additional-dnsname', 'name', 'a further name; repeatable'),
    listFlag('additional-ipaddress', 'ip', 'a further address; repeatable'),
  ],
  run: async (args, context) => {
    const role = roleOf(args)
    const domain = args.text('domain') ?? 'consul'
    const datacenter = args.text('dc') ?? 'dc1'
    const node = args.text('node') ?? ''
    if (node !== '' && role !== 'server') throw new UsageError('-node requires -server')
    const names = namesOfRole(role, { datacenter, domain, node })
    const caPath = args.text('ca') ?? `${domain}-agent-ca.pem`
    const keyPath = args.text('key') ?? `${domain}-agent-ca-key.pem`
    const made = await createAgentCertificate({
      authority: {
        certPem: await readText(caPath, context),
        keyPem: await readText(keyPath, context),
      },
      role,
      commonName: names.commonName,
      dnsNames: [...args.list('additional-dnsname'), ...names.dnsNames],
      ipAddresses: [...args.list('additional-ipaddress'), ...names.ips],
      days: daysOf(args, 365),
      now: systemClock.wall(),
    })
    if (role === 'server') context.stderr(SERVER_WARNING)
    context.stdout(`==> Using CA file ${caPath} and CA key ${keyPath}\n`)
    for (const path of await saveNumbered(`${datacenter}-${role}-${domain}`, made)) {
      context.stdout(`==> Saved ${path}\n`)
    }
    return 0
  },
}

const SERVER_WARNING = [
  '==> Who holds this certificate and its key is a server to every agent: he can read and change all there is.',
  '    Copy it to that one server and nowhere else; clients and people get certificates of their own (-client, -cli).',
  '',
].join('\n')

function roleOf(args: Arguments): CertificateRole {
  const [role, ...more] = ROLES.filter((name) => args.bool(name))
  if (role !== undefined && more.length === 0) return role
  throw new UsageError('Please provide either -server, -client, or -cli')
}

function daysOf(args: Arguments, fallback: number): number {
  const text = args.text('days')
  const days = text === undefined ? fallback : Number(text)
  if (Number.isInteger(days) && days > 0 && days <= 36_500) return days
  throw new UsageError(`-days must be a whole number of days, got "${text}"`)
}

async function saveNumbered(stem: string, made: CertificateAndKeyPem): Promise<readonly string[]> {
  for (let number = 0; number < NUMBERS_MAX; number++) {
    try {
      return await save(`${stem}-${number}`, made)
    } catch (thrown) {
      if (!(thrown instanceof FairleadError) || thrown.code !== 'REJECTED') throw thrown
    }
  }
  throw new FairleadError('REJECTED', `All numbers of ${stem} are taken`)
}

/** @returns the paths. @throws FairleadError REJECTED when one of the files is there */
async function save(stem: string, made: CertificateAndKeyPem): Promise<readonly string[]> {
  const certPath = `${stem}.pem`
  const keyPath = `${stem}-key.pem`
  await writeNew(certPath, made.certPem, 0o644)
  try {
    await writeNew(keyPath, made.keyPem, 0o600)
  } catch (thrown) {
    await rm(certPath)
    throw thrown
  }
  return [certPath, keyPath]
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new FairleadError('REJECTED', `${path} already exists.`, { cause })
  }
}
