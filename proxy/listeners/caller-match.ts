/**
 * Which local service a process belongs to (decision 0005). Pure.
 *
 * The process that listens on a service's port, or its nearest such ancestor, decides; one that listens for
 * several services says nothing. Else the control group, then the process group, but only where one service
 * alone lives in it: services started from one shell share both, and then they say nothing.
 */

import type { ProcessEntry } from '../../runtime/proc/process-table.ts'

/** A service and the processes that listen on its port. */
export interface ServiceProcesses {
  readonly identityId: string
  readonly pids: ReadonlySet<number>
}

/** Depth of a process tree that is walked. */
const ANCESTORS_MAX = 64

export class CallerMatcher {
  readonly #processes: ReadonlyMap<number, ProcessEntry>
  /** In each map null: several services share it. */
  readonly #byPid = new Map<number, string | null>()
  readonly #byCgroup = new Map<string, string | null>()
  readonly #byGroup = new Map<number, string | null>()

  constructor(processes: ReadonlyMap<number, ProcessEntry>, services: readonly ServiceProcesses[]) {
    this.#processes = processes
    for (const { identityId, pids } of services) {
      for (const pid of pids) {
        claim(this.#byPid, pid, identityId)
        const entry = processes.get(pid)
        if (entry === undefined) continue
        if (entry.cgroup !== '') claim(this.#byCgroup, entry.cgroup, identityId)
        claim(this.#byGroup, entry.group, identityId)
      }
    }
  }

  /** @returns the identity, or undefined for a process that is none of the services' */
  match(pid: number): string | undefined {
    let at: ProcessEntry | undefined = this.#processes.get(pid)
    const entry = at
    for (let depth = 0; at !== undefined && depth < ANCESTORS_MAX; depth++) {
      const identity = this.#byPid.get(at.pid)
      if (identity !== undefined) return identity ?? undefined
      at = this.#processes.get(at.parent)
    }
    if (entry === undefined) return undefined
    return this.#byCgroup.get(entry.cgroup) ?? this.#byGroup.get(entry.group) ?? undefined
  }

  /** Processes for which `match` finds a service: where to look for a connection's owner. */
  candidates(): readonly number[] {
    const found: number[] = []
    for (const pid of this.#processes.keys()) if (this.match(pid) !== undefined) found.push(pid)
    return found
  }
}

function claim<K>(claims: Map<K, string | null>, key: K, identityId: string): void {
  const known = claims.get(key)
  if (known === undefined) claims.set(key, identityId)
  else if (known !== identityId) claims.set(key, null)
}
