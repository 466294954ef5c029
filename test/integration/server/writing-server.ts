/**
 * A server to be killed: writes `w/<n>` one after the other from the given number on, in the given folder,
 * and prints each number once its write was answered.
 */

import { set } from '../../unit/server/raft-and-store.ts'
import { startServer } from './running-server.ts'

const [dataDir = '', from = '0'] = process.argv.slice(2)
const { server } = await startServer({ dataDir, devMode: false })
for (let n = Number(from); ; n++) {
  await server.api.write(set(`w/${n}`, `${n}`))
  process.stdout.write(`${n}\n`)
}
