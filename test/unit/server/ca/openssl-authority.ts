/**
 * An authority that OpenSSL's program made and runs, so that our own code does not judge itself.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLUSTER } from './authority.ts'

const CA_EXTENSIONS = `basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier=hash
subjectAltName=URI:spiffe://${CLUSTER}.consul
`

export class OpensslAuthority implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'fairlead-authority-'))

  /** With a root, and an intermediate that it signed; `root.pem`, `root.key`, `signing.pem`, `signing.key`. */
  constructor() {
    this.makeKey('root')
    const root = ['-x509', '-key', this.path('root.key'), '-days', '3650', '-subj', '/CN=Own root']
    this.write('ca.ext', CA_EXTENSIONS)
    const extensions = CA_EXTENSIONS.trim()
      .split('\n')
      .flatMap((line) => ['-addext', line])
    // OpenSSL's own configuration would add a second basicConstraints.
    this.write('req.cnf', '[req]\ndistinguished_name=dn\n[dn]\n')
    this.run(
      'req',
      '-config',
      this.path('req.cnf'),
      ...root,
      ...extensions,
      '-out',
      this.path('root.pem'),
    )
    this.makeIntermediate('signing')
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'latin1')
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text)
    return this.path(name)
  }

  run(...args: readonly string[]): string {
    return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'latin1' })
  }

  makeKey(name: string): void {
    const out = this.path(`${name}.key`)
    this.run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', out)
  }

  makeIntermediate(name: string): void {
    this.makeKey(name)
    const csr = this.path(`${name}.csr`)
    const own = ['-config', this.path('req.cnf'), '-key', this.path(`${name}.key`)]
    this.run('req', '-new', ...own, '-subj', `/CN=Own ${name}`, '-out', csr)
    this.sign(csr, 'ca.ext', `${name}.pem`, 'root', '365')
  }

  sign(csr: string, extensions: string, out: string, issuer: string, days: string): void {
    const by = ['-CA', this.path(`${issuer}.pem`), '-CAkey', this.path(`${issuer}.key`)]
    const serial = String(Date.now() * 1000 + (Math.floor(performance.now() * 1000) % 1000))
    const what = ['-extfile', this.path(extensions), '-set_serial', serial, '-days', days]
    this.run('x509', '-req', '-in', csr, ...by, ...what, '-out', this.path(out))
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
