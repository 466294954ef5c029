/**
 * Access control as the parts of an agent use it: its tokens, and who the bearer of a secret is.
 *
 * Absent where access control is off, so that being off costs one look.
 */

import type { AgentTokens } from './agent-tokens.ts'
import type { TokenResolver } from './token-resolver.ts'

export interface AgentAcl {
  readonly tokens: AgentTokens
  readonly resolver: Pick<TokenResolver, 'resolve'>
}
