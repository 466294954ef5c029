/**
 * The nodes of the tree of commands; a command's file is loaded when it runs.
 */

import type { CommandSpec } from './command.ts'

export type CommandNode =
  | {
      readonly kind: 'command'
      readonly summary: string
      readonly hidden?: true
      readonly load: () => Promise<CommandSpec>
    }
  | { readonly kind: 'group'; readonly summary: string; readonly children: CommandTree }
  | {
      readonly kind: 'unsupported'
      /** What the user has in its place: a sentence without a full stop. */
      readonly instead: string
    }

export interface CommandTree {
  readonly [name: string]: CommandNode
}

export function command(summary: string, load: () => Promise<CommandSpec>): CommandNode {
  return { kind: 'command', summary, load }
}

export function group(summary: string, children: CommandTree): CommandNode {
  return { kind: 'group', summary, children }
}

export function unsupported(instead: string): CommandNode {
  return { kind: 'unsupported', instead }
}
