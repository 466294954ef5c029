/**
 * Service files become what the API takes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { servicesOfFile } from '../../../cli/service-file.ts'
import { FairleadError } from '../../../core/errors.ts'

describe('service files', () => {
  it('lose the underscores of fields and keep those of data', () => {
    const text = `
      service {
        name = "web"
        enable_tag_override = true
        meta { build_id = "7" }
        tagged_addresses { lan_ipv4 { address = "10.0.0.1" port = 80 } }
        checks = [{ check_id = "c", http = "http://127.0.0.1/", header { X_Y = ["1"] } }]
        connect { sidecar_service { proxy { config { local_connect_timeout_ms = 5 } } } }
      }
    `
    assert.deepEqual(servicesOfFile(text, 'web.hcl'), [
      {
        name: 'web',
        enabletagoverride: true,
        meta: { build_id: '7' },
        taggedaddresses: { lan_ipv4: { address: '10.0.0.1', port: 80 } },
        checks: [{ checkid: 'c', http: 'http://127.0.0.1/', header: { X_Y: ['1'] } }],
        connect: { sidecarservice: { proxy: { config: { local_connect_timeout_ms: 5 } } } },
      },
    ])
  })

  it('may hold several services, in JSON as well', () => {
    const text = '{"services": [{"name": "a"}, {"name": "b"}]}'
    assert.deepEqual(
      servicesOfFile(text, '-').map((service) => service['name']),
      ['a', 'b'],
    )
  })

  it('are refused with place and reason', () => {
    assert.throws(
      () => servicesOfFile('service {\n  name = web\n}', 'web.hcl'),
      (err: unknown) => err instanceof FairleadError && /web\.hcl:2:10/.test(err.message),
    )
  })
})
