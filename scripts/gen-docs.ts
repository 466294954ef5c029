/**
 * Writes the reference pages that derive from code: compatibility, configuration, command line, HTTP API, DNS, metrics.
 *
 * `node scripts/gen-docs.ts` writes them; `--check` only compares and exits with 1 when one is stale. The
 * architecture tests run the check, so that a page cannot fall behind its table.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliPage } from './docs/cli-page.ts'
import { compatibilityPage } from './docs/compatibility-page.ts'
import { configurationPage } from './docs/configuration-page.ts'
import { dnsPage } from './docs/dns-page.ts'
import { httpApiPage } from './docs/http-api-page.ts'
import { metricsPage } from './docs/metrics-page.ts'

const REFERENCE = join(import.meta.dirname, '..', 'docs', 'reference')

const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'configuration.md': configurationPage,
  'cli.md': cliPage,
  'compatibility.md': compatibilityPage,
  'http-api.md': httpApiPage,
  'dns.md': dnsPage,
  'metrics.md': metricsPage,
}

async function main(isCheck: boolean): Promise<number> {
  let stale = 0
  for (const [name, make] of Object.entries(PAGES)) {
    const path = join(REFERENCE, name)
    const wanted = await make()
    if (readOrEmpty(path) === wanted) continue
    stale++
    if (isCheck) console.error(`docs/reference/${name} is stale; run: npm run gen:docs`)
    else writeFileSync(path, wanted)
  }
  return isCheck && stale > 0 ? 1 : 0
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw err
  }
}

process.exitCode = await main(process.argv.includes('--check'))
