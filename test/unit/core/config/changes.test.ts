/**
 * What a reload cannot take over: named by key and place, and nothing else.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { changesNeedingRestart } from '../../../../core/config/changes.ts'
import { decodeDocument } from '../../../../core/config/decode.ts'

function changes(former: string, next: string): readonly string[] {
  const raw = (text: string) => decodeDocument(text, 'hcl', 'a.hcl').raw
  return changesNeedingRestart(raw(former), raw(next)).map(({ key, origin }) => `${key} ${origin}`)
}

it('names keys that changed, came or went, with their place', () => {
  assert.deepEqual(
    changes('node_name = "a"\nports { http = 1 }', 'ports { http = 2 }\ndomain = "x"'),
    ['node_name a.hcl:1:13', 'domain a.hcl:2:10', 'ports.http a.hcl:1:16'],
  )
})

it('says nothing of what stayed, moved, or is reloaded', () => {
  const former =
    'node_name = "a"\nretry_join = ["b", "c"]\nlog_level = "info"\nnode_meta { x = "1" }'
  const next = 'log_level = "warn"\nretry_join = ["b", "c"]\nnode_meta { x = "2" }\nnode_name = "a"'
  assert.deepEqual(changes(former, next), [])
  const headers = (text: string): string => `http_config { response_headers { ${text} } }`
  assert.deepEqual(changes(headers('a = "1" b = "2"'), headers('b = "2" a = "1"')), [])
  assert.equal(changes(headers('a = "1"'), headers('a = "2"')).length, 1)
})
