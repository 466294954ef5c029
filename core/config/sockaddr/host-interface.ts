/**
 * An address of this host, with what templates may ask about it (agent-config.md section 8).
 */

export interface HostInterface {
  readonly name: string
  readonly address: string
  /** Bits of the network. */
  readonly prefix: number
  /** As the platform names them: up, broadcast, loopback, pointtopoint, multicast. */
  readonly flags: readonly string[]
  /** Of the interface that the default route leaves by. */
  readonly isDefault: boolean
}

/** What is wrong with a template, as a part of a sentence. */
export class TemplateProblem extends Error {
  override readonly name = 'TemplateProblem'
}
