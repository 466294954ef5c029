/**
 * `npm run demo`: a dev agent, three small services, and the story of how they meet (scripts/demo/story.ts).
 *
 * Afterwards it stays up, printing commands to play with, until Ctrl-C. With `--once` it ends after the
 * story, with exit code 0 when every step was as it should be and 1 otherwise. Leaves nothing behind, also
 * when it is interrupted in the middle or its terminal is closed.
 */

import { Narrator } from './demo/narrator.ts'
import { type Stage, setUpStage } from './demo/stage.ts'
import { tellStory } from './demo/story.ts'

/** Lines of the agent's log shown when the story fails. */
const LOG_LINES = 30

async function main(isOnce: boolean): Promise<number> {
  const say = new Narrator()
  const interrupted = interruption()
  say.title('Fairlead: two services find and call each other through a mesh, on this machine')
  await using stage = await setUpStage()
  try {
    const told = await Promise.race([tellStory(stage, say), interrupted])
    if (typeof told === 'string') {
      say.plain(`\nInterrupted by ${told}.`)
      return 1
    }
    if (isOnce) {
      say.plain('\nThe demo went as it should.')
      return 0
    }
    invite(stage, told.cart.port, say)
    await interrupted
    say.plain('\nStopping.')
    return 0
  } catch (err) {
    say.failed(reasonOf(err))
    const lines = (await stage.log()).trimEnd().split('\n').slice(-LOG_LINES)
    say.plain(`\nThe last lines of the agent's log:\n${lines.join('\n')}`)
    return 1
  }
}

/** Resolves at the first signal that asks to end; from now on none of them ends this process by itself. */
async function interruption(): Promise<NodeJS.Signals> {
  return await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve)
  })
}

function invite(stage: Stage, cartPort: number, say: Narrator): void {
  say.title('Everything stays up until Ctrl-C. Play with it from another terminal:')
  say.plain(`
  export CONSUL_HTTP_ADDR=127.0.0.1:${stage.agent.http}
  bin/fairlead members
  bin/fairlead catalog services -tags
  bin/fairlead intention list
  bin/fairlead intention create -deny -replace cart payments
  curl http://127.0.0.1:${cartPort}/checkout
  dig @127.0.0.1 -p ${stage.agent.dns} payments.service.consul SRV
  curl 'http://127.0.0.1:${stage.agent.http}/v1/health/service/payments?passing'
`)
}

function reasonOf(err: unknown): string {
  const parts: string[] = []
  for (let at = err; at instanceof Error; at = at.cause) parts.push(at.message)
  return parts.join(': ') || String(err)
}

const args = process.argv.slice(2)
const unknown = args.filter((arg) => arg !== '--once')
if (unknown.length > 0) {
  console.error(`unknown argument ${unknown.join(' ')}; there is only --once`)
  process.exitCode = 2
} else {
  // An interrupted story would still wait for what is gone.
  process.exit(await main(args.includes('--once')))
}
