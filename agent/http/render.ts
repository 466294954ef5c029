/**
 * Applies the layout that a request asked for to compact JSON (http-api.md section 3).
 */

import type { Layout } from './call.ts'
import { indentJson } from './wire/indent.ts'

export function renderJson(compact: string, layout: Layout): string {
  if (layout === 'compact') return compact
  const indented = indentJson(compact)
  return layout === 'pretty' ? `${indented}\n` : indented
}
