/**
 * Authorities that operators bring: in files, and behind a program. OpenSSL makes them and judges what comes out.
 */

import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { test } from 'node:test'
import { readCertificate } from '../../../../runtime/pki/certificate.ts'
import { pass } from '../raft-and-store.ts'
import {
  activeRoot,
  authority,
  CLUSTER,
  change,
  csr,
  HOUR,
  opensslRefusal,
  realTime,
  rootsOf,
  until,
  WEB,
} from './authority.ts'
import { OpensslAuthority } from './openssl-authority.ts'

const NO_LIMIT = { CSRMaxPerSecond: 0 }

test('an intermediate in PEM files signs, and the root vouches for the next authority', async () => {
  await using base = await realTime()
  using own = new OpensslAuthority()
  const config = {
    ...NO_LIMIT,
    SigningCertFile: own.path('signing.pem'),
    SigningKeyFile: own.path('signing.key'),
    RootFile: own.path('root.pem'),
  }
  const ca = authority(base)
  await ca.lead()
  const builtIn = activeRoot(base)
  await ca.configure(change(base, config, 'files'))
  const root = activeRoot(base)
  assert.equal(root.name, 'Files CA Primary Cert')
  assert.equal(root.rootCertPem, own.read('root.pem'))
  assert.equal(root.signingKeyId, readCertificate(own.read('signing.pem')).subjectKeyId)
  assert.equal(root.intermediateCertsPem.length, 2)
  assert.equal(base.store.caProvider()?.privateKeyPem, '')
  const leaf = await ca.sign(await csr())
  const now = base.clock.wall()
  assert.equal(opensslRefusal(leaf.certPem, [root.rootCertPem], now), undefined)
  assert.equal(opensslRefusal(leaf.certPem, [builtIn.rootCertPem], now), undefined)
  assert.equal(readCertificate(leaf.certPem).authorityKeyId, root.signingKeyId)

  // Another server begins to lead; then back to the built-in authority, which nobody can vouch for.
  ca.resign()
  const other = authority(base)
  await other.lead()
  assert.equal(
    opensslRefusal((await other.sign(await csr())).certPem, [root.rootCertPem], now),
    undefined,
  )
  const back = change(base, NO_LIMIT)
  await assert.rejects(other.configure(back), { code: 'REJECTED', message: /cross-signing/ })
  await other.configure({ ...back, forceWithoutCrossSigning: true })
  assert.equal(activeRoot(base).name, 'Consul CA Primary Cert')
  assert.equal(rootsOf(base).length, 3)
  other.resign()
})

test('a PKCS#12 archive with a passphrase begins a new cluster', async () => {
  await using base = await realTime()
  using own = new OpensslAuthority()
  own.write('pass', 'secret\n')
  const files = ['-in', own.path('signing.pem'), '-inkey', own.path('signing.key')]
  const chain = ['-certfile', own.path('root.pem'), '-passout', 'pass:secret']
  own.run('pkcs12', '-export', ...files, ...chain, '-out', own.path('ca.p12'))
  const config = { SigningCertFile: own.path('ca.p12'), PassphraseFile: own.path('pass') }
  const ca = authority(base, { provider: 'files', config })
  await ca.lead()
  const leaf = await ca.sign(await csr())
  assert.equal(opensslRefusal(leaf.certPem, [own.read('root.pem')], base.clock.wall()), undefined)
  assert.equal(rootsOf(base).length, 1)
  ca.resign()
})

test('an intermediate that is replaced in its files is taken over once half of its life is over', async () => {
  await using base = await realTime()
  using own = new OpensslAuthority()
  const config = {
    ...NO_LIMIT,
    SigningCertFile: own.path('signing.pem'),
    SigningKeyFile: own.path('signing.key'),
    RootFile: own.path('root.pem'),
  }
  const ca = authority(base, { provider: 'files', config })
  await ca.lead()
  await pass(base.clock, 1)
  const before = activeRoot(base)
  own.makeIntermediate('signing')
  await pass(base.clock, HOUR)
  assert.equal(activeRoot(base).signingKeyId, before.signingKeyId)
  base.clock.jumpWall(200 * 24 * HOUR)
  await until(base, HOUR, () => activeRoot(base).signingKeyId !== before.signingKeyId)
  const after = activeRoot(base)
  assert.equal(after.id, before.id)
  assert.equal(after.signingKeyId, readCertificate(own.read('signing.pem')).subjectKeyId)
  assert.notEqual(after.signingKeyId, before.signingKeyId)
  const leaf = await ca.sign(await csr())
  assert.equal(opensslRefusal(leaf.certPem, [after.rootCertPem], base.clock.wall()), undefined)
  ca.resign()
})

const mistakes: readonly (readonly [string, (own: OpensslAuthority) => object, RegExp])[] = [
  ['nothing', () => ({}), /^SigningCertFile is required/],
  ['a relative path', () => ({ SigningCertFile: 'ca.pem' }), /"ca.pem" is not an absolute path/],
  ['no such file', (own) => ({ SigningCertFile: own.path('gone') }), /cannot be read: ENOENT/],
  ['no key', (own) => ({ SigningCertFile: own.path('root.pem') }), /no private key/],
  [
    'a key of something else',
    (own) => ({ SigningCertFile: own.path('root.pem'), SigningKeyFile: own.path('signing.key') }),
    /belongs to its private key/,
  ],
  [
    'no way to a root',
    (own) => ({
      SigningCertFile: own.path('signing.pem'),
      SigningKeyFile: own.path('signing.key'),
    }),
    /lead to no root/,
  ],
]
for (const [what, config, message] of mistakes) {
  test(`files with ${what} are refused, and the present authority goes on`, async () => {
    await using base = await realTime()
    using own = new OpensslAuthority()
    const ca = authority(base, { config: NO_LIMIT })
    await ca.lead()
    const wanted = { ...NO_LIMIT, ...config(own) }
    await assert.rejects(ca.configure(change(base, wanted, 'files')), {
      code: 'BAD_REQUEST',
      message,
    })
    assert.equal(rootsOf(base).length, 1)
    await ca.sign(await csr())
    ca.resign()
  })
}

/** A signer of a few lines, as an operator would write one. */
function signer(own: OpensslAuthority, change = ''): readonly string[] {
  const script = own.write(
    'sign.sh',
    `#!/bin/sh
set -eu
cd "${own.folder}"
case "$1" in
chain) cat signing.pem root.pem ;;
sign)
  cat > request.csr
  ${change}
  cat > leaf.ext <<EOF
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=clientAuth,serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=critical,URI:$FAIRLEAD_URI
EOF
  openssl x509 -req -in request.csr -CA signing.pem -CAkey signing.key -set_serial "$FAIRLEAD_SERIAL" -days 3 -extfile leaf.ext -subj / 2>/dev/null ||
  openssl x509 -req -in request.csr -CA signing.pem -CAkey signing.key -set_serial "$FAIRLEAD_SERIAL" -days 3 -extfile leaf.ext
  ;;
esac
`,
  )
  chmodSync(script, 0o755)
  return [script]
}

test('a program signs, with the key where it keeps it', async () => {
  await using base = await realTime()
  using own = new OpensslAuthority()
  const ca = authority(base, {
    provider: 'command',
    signerCommand: signer(own),
    config: NO_LIMIT,
  })
  await ca.lead()
  const leaf = await ca.sign(await csr())
  assert.equal(opensslRefusal(leaf.certPem, [own.read('root.pem')], base.clock.wall()), undefined)
  assert.deepEqual(readCertificate(leaf.certPem).uris, [WEB])
  assert.equal(leaf.notAfter, readCertificate(leaf.certPem).notAfter)
  ca.resign()
})

const misbehaviour: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'another identity',
    `FAIRLEAD_URI=spiffe://${CLUSTER}.consul/ns/default/dc/dc1/svc/admin`,
    'REJECTED',
    /has the URIs ".*\/svc\/admin" instead of/,
  ],
  [
    'words on standard error',
    'echo "the card is not there" >&2; exit 1',
    'REJECTED',
    /the card is not there/,
  ],
  ['a limit of its own', 'exit 75', 'RATE_LIMITED', /^Rate limit reached, try again later$/],
  ['nothing', 'exit 0', 'REJECTED', /printed no certificate/],
  [
    'a certificate for another key',
    'openssl req -new -config req.cnf -key root.key -subj /CN=x -out request.csr',
    'REJECTED',
    /is for another key/,
  ],
]
for (const [what, line, code, message] of misbehaviour) {
  test(`a program that answers with ${what} gives nobody a certificate`, async () => {
    await using base = await realTime()
    using own = new OpensslAuthority()
    const ca = authority(base, {
      provider: 'command',
      signerCommand: signer(own, line),
      config: NO_LIMIT,
    })
    await ca.lead()
    await assert.rejects(ca.sign(await csr()), { code, message })
    ca.resign()
  })
}

test('the API chooses the provider but never the program', async () => {
  await using base = await realTime()
  const ca = authority(base)
  await ca.lead()
  const Command = ['/bin/sh', '-c', 'true']
  await assert.rejects(ca.configure(change(base, { Command }, 'command')), {
    code: 'BAD_REQUEST',
    message: /connect\.ca_config\.command/,
  })
  await assert.rejects(ca.configure(change(base, {}, 'command')), {
    code: 'BAD_REQUEST',
    message: /have no connect\.ca_config\.command/,
  })
  ca.resign()
})
