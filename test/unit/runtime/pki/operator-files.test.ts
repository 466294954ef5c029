/**
 * Files as an operator makes them, by openssl; skipped where it is not installed.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { generateEcKey, generateRsaKey, type PrivateKey } from '../../../../runtime/pki/keys.ts'
import { LeafSigner } from '../../../../runtime/pki/leaf-signer.ts'
import {
  OPERATOR_FILE_BYTES_MAX,
  readOperatorKeyMaterial,
} from '../../../../runtime/pki/operator-files.ts'
import { createRootCertificate, rootCommonName } from '../../../../runtime/pki/root-certificate.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe('operator files', { skip: !hasOpenssl }, () => {
  let folder = ''
  const openssl = (...args: string[]): void => {
    const run = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
  }
  const read = (name: string, passphrase?: string) =>
    readFile(join(folder, name)).then((bytes) => readOperatorKeyMaterial(bytes, passphrase))

  const keys = new Map<string, { key: PrivateKey; root: string }>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairlead-operator-'))
    for (const kind of ['ec', 'rsa']) {
      const key = kind === 'ec' ? await generateEcKey() : await generateRsaKey(2048)
      const root = await createRootCertificate({
        key,
        commonName: rootCommonName('abcdefgh', seededRng(3)),
        trustDomain: 'abcdefgh.consul',
        serialNumber: 1,
        notBefore: systemClock.wall(),
        ttlMs: 86_400_000,
      })
      keys.set(kind, { key, root })
      await writeFile(join(folder, `${kind}.key`), key.pem)
      await writeFile(join(folder, `${kind}.crt`), root)
    }
  })
  after(() => rm(folder, { recursive: true, force: true }))

  for (const kind of ['ec', 'rsa']) {
    test(`PKCS#12 with an ${kind} key opens with its passphrase and signs`, async () => {
      openssl(
        ...['pkcs12', '-export', '-inkey', `${kind}.key`, '-in', `${kind}.crt`],
        ...['-certfile', 'rsa.crt', '-passout', 'pass:sesame', '-out', `${kind}.p12`],
      )
      const material = await read(`${kind}.p12`, 'sesame')
      assert.equal(material.keyPem, keys.get(kind)?.key.pem)
      const own = keys.get(kind)
      assert.ok(own !== undefined)
      assert.equal(material.certPems[0], own.root)
      await LeafSigner.open(material.certPems[0] ?? '', own.key)
      await assert.rejects(read(`${kind}.p12`, 'wrong'), {
        code: 'BAD_REQUEST',
        message: /neither PEM nor a PKCS#12 archive/,
      })
    })

    test(`PEM with an encrypted ${kind} key opens with its passphrase`, async () => {
      openssl(
        ...['pkcs8', '-topk8', '-in', `${kind}.key`, '-passout', 'pass:sesame'],
        ...['-out', `${kind}.enc`],
      )
      const bundle = Buffer.concat([
        await readFile(join(folder, `${kind}.enc`)),
        await readFile(join(folder, `${kind}.crt`)),
      ])
      const material = await readOperatorKeyMaterial(bundle, 'sesame')
      assert.equal(material.keyPem, keys.get(kind)?.key.pem)
      await assert.rejects(readOperatorKeyMaterial(bundle, 'wrong'), { code: 'BAD_REQUEST' })
      await assert.rejects(readOperatorKeyMaterial(bundle), { code: 'BAD_REQUEST' })
    })
  }

  test('certificates inside PKCS#7 are found', async () => {
    openssl(
      ...['crl2pkcs7', '-nocrl', '-certfile', 'rsa.crt', '-certfile', 'ec.crt'],
      ...['-out', 'both.p7b'],
    )
    const bundle = Buffer.concat([
      await readFile(join(folder, 'both.p7b')),
      await readFile(join(folder, 'ec.key')),
    ])
    const material = await readOperatorKeyMaterial(bundle)
    assert.equal(material.certPems.length, 2)
    assert.equal(material.certPems[0], keys.get('ec')?.root)
  })

  test('a key without its certificate, and a certificate without its key, are refused', async () => {
    await assert.rejects(read('ec.key'), { message: 'The file holds no certificate' })
    await assert.rejects(read('ec.crt'), { message: 'The file holds no private key' })
    const mixed = Buffer.concat([
      await readFile(join(folder, 'ec.key')),
      await readFile(join(folder, 'rsa.crt')),
    ])
    await assert.rejects(readOperatorKeyMaterial(mixed), {
      message: 'No certificate in the file belongs to its private key',
    })
  })
})

test('a file past the bound, and one that is nothing, are refused', async () => {
  await assert.rejects(readOperatorKeyMaterial(new Uint8Array(OPERATOR_FILE_BYTES_MAX + 1)), {
    code: 'BAD_REQUEST',
  })
  await assert.rejects(readOperatorKeyMaterial(Buffer.from('nothing here')), {
    code: 'BAD_REQUEST',
  })
})
