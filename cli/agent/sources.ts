/**
 * Flags that say where the configuration comes from, shared by `agent` and `validate`.
 */

import type { FileFormat } from '../../runtime/files/config-files.ts'
import { type Arguments, type FlagSpec, flag, listFlag, UsageError } from '../command.ts'

export const FORMAT_FLAG: FlagSpec = flag(
  'config-format',
  'hcl|json',
  'format of every configuration file (default: by extension)',
)

export const SOURCE_FLAGS: readonly FlagSpec[] = [
  listFlag('config-file', 'path', 'configuration file (.hcl, .json) or folder; repeatable'),
  listFlag('config-dir', 'path', 'folder of configuration files; repeatable'),
  listFlag('hcl', 'text', 'configuration as text, read last; repeatable'),
  FORMAT_FLAG,
]

export function formatOf(args: Arguments): FileFormat | undefined {
  const text = args.text('config-format')
  if (text === undefined || text === 'hcl' || text === 'json') return text
  throw new UsageError(`-config-format takes hcl or json, got "${text}"`)
}
