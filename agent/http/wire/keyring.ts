/**
 * What /v1/operator/keyring prints (http-api.md 20). It holds the keys themselves.
 */

import type { KeyringReport } from '../../../core/swim/keyring-report.ts'
import { map, text } from './json.ts'

/** Members named in the text of an error. */
const NAMED_MAX = 5

export function keyringJson(datacenter: string, report: KeyringReport): string {
  const { keys, primaryKeys, nodes, failures } = report
  const messages = failures.size === 0 ? '' : `,"Messages":${map(byName(failures), text)}`
  const error = failures.size === 0 ? '' : `,"Error":${text(failureText(report))}`
  return (
    `[{"WAN":false,"Datacenter":${text(datacenter)},"Segment":""${messages},` +
    `"Keys":${map(byName(keys), String)},"PrimaryKeys":${map(byName(primaryKeys), String)},` +
    `"NumNodes":${nodes}${error}}]`
  )
}

export function keyringErrorText(datacenter: string, report: KeyringReport): string {
  const named = [...report.failures].slice(0, NAMED_MAX)
  const reasons = named.map(([name, reason]) => `${name}: ${reason}`).join('; ')
  const more = report.failures.size > NAMED_MAX ? '; …' : ''
  const outcome = report.isUntouched ? '; nothing was changed' : ''
  return `${datacenter} (LAN) error: ${failureText(report)}: ${reasons}${more}${outcome}`
}

function failureText({ failures, nodes }: KeyringReport): string {
  return `${failures.size}/${nodes} nodes reported failure`
}

function byName<T>(entries: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries(entries)
}
